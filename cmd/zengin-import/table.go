package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// place is a bank or a branch as zengin-code has it.
type place struct {
	Code, Name, Kana string
	Branches         map[string]place
}

// parse reads zengin-data.js: an assignment of one JSON object.
func parse(js []byte) (map[string]place, error) {
	body, ok := bytes.CutPrefix(bytes.TrimSpace(js), []byte("module.exports = "))
	if !ok {
		return nil, errors.New("the data file does not begin as expected")
	}
	var banks map[string]place
	if err := json.Unmarshal(bytes.TrimSuffix(body, []byte(";")), &banks); err != nil {
		return nil, err
	}
	if len(banks) < 500 {
		return nil, fmt.Errorf("only %d banks", len(banks))
	}
	return banks, nil
}

// Codes as they must be.
var (
	bankCode   = regexp.MustCompile(`^[0-9]{4}$`)
	branchCode = regexp.MustCompile(`^[0-9]{3}$`)
)

// table writes one line of head, then a line per bank (four digits, name, kana) followed by a line per
// branch of it (three digits, name, kana), both in order of code. It returns the number of branches.
func table(head string, banks map[string]place) ([]byte, int, error) {
	var b bytes.Buffer
	b.WriteString(head + "\n")
	n := 0
	for _, code := range slices.Sorted(maps.Keys(banks)) {
		bank := banks[code]
		if err := line(&b, bankCode, code, bank); err != nil {
			return nil, 0, fmt.Errorf("bank %s: %w", code, err)
		}
		for _, branch := range slices.Sorted(maps.Keys(bank.Branches)) {
			if err := line(&b, branchCode, branch, bank.Branches[branch]); err != nil {
				return nil, 0, fmt.Errorf("bank %s branch %s: %w", code, branch, err)
			}
			n++
		}
	}
	return b.Bytes(), n, nil
}

// line writes one row. The package writes the long mark as a full-width hyphen; here it is the long mark.
func line(b *bytes.Buffer, form *regexp.Regexp, code string, p place) error {
	name := strings.TrimSpace(p.Name)
	reading := strings.NewReplacer("－", "ー", "．", "・", "　", " ").Replace(strings.TrimSpace(p.Kana))
	switch {
	case !form.MatchString(code) || p.Code != code:
		return fmt.Errorf("odd code %q", p.Code)
	case name == "" || reading == "" || strings.ContainsAny(name+reading, "\t\n\r"):
		return fmt.Errorf("odd name %q or kana %q", name, reading)
	}
	fmt.Fprintf(b, "%s\t%s\t%s\n", code, name, reading)
	return nil
}
