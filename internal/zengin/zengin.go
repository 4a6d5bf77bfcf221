// Package zengin is the directory of Japanese banks and branches, as of today and as of the incident of
// 2020, and what became of the banks that merged in between. It answers from data that it carries; what
// the data do not say is answered as unknown, never guessed.
package zengin

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"fmt"
	"io"
	"sort"
	"strings"
	"sync"

	"github.com/kozamori/kozamori/internal/id"
)

// The files are written by cmd/zengin-import from the npm package zengin-code (MIT, see
// data/LICENSE.zengin-code.txt).
var (
	//go:embed data/today.tsv.gz
	todayFile []byte
	//go:embed data/2020.tsv.gz
	file2020 []byte
)

// Bank is a bank as the Zengin system lists it.
type Bank struct {
	Code id.Bank // four digits
	Name string  // as listed, without 銀行: "静岡", "城南信金"
	Kana string  // full-width katakana as listed: large kana only, "ユウチヨ"

	branches int // how many it has: the larger is the better known
}

// Branch is a branch of a bank.
type Branch struct {
	Bank id.Bank
	Code string // three digits
	Name string // as listed, without 支店: "葵町", "本店営業部"
	Kana string // full-width katakana as listed: large kana only
}

// Directory is one edition of the list. It is immutable and safe for concurrent use.
type Directory struct {
	edition string
	text    string      // the lines of all banks and branches
	banks   []bankLines // in order of code
	keys    func() []bankKey
}

// bankLines is a bank and where in the text its branches stand.
type bankLines struct {
	Bank
	from, to int
}

var (
	today  = sync.OnceValue(func() *Directory { return mustRead(todayFile) })
	in2020 = sync.OnceValue(func() *Directory { return mustRead(file2020) })
)

// Today is the newest edition in the program. It is decoded at the first call.
func Today() *Directory { return today() }

// In2020 is the edition of 20 April 2020, before the incident.
func In2020() *Directory { return in2020() }

// mustRead is read for embedded files: what is wrong with them is our bug.
func mustRead(packed []byte) *Directory {
	d, err := read(packed)
	if err != nil {
		panic("zengin: embedded directory: " + err.Error())
	}
	return d
}

// read decodes a file of cmd/zengin-import. It keeps one string and an index of the banks.
func read(packed []byte) (*Directory, error) {
	zr, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(zr)
	if err != nil {
		return nil, err
	}
	text := string(raw)
	head, _, _ := strings.Cut(text, "\n")
	fields := strings.Split(head, "\t")
	if len(fields) < 3 || fields[0] != "zengin-code" {
		return nil, fmt.Errorf("odd head %.80q", head)
	}
	d := &Directory{edition: fields[2], text: text}
	for at := len(head) + 1; at < len(text); {
		code, name, reading, next, ok := row(text, at)
		switch {
		case !ok || len(d.banks) == 0 && len(code) != 4:
			return nil, fmt.Errorf("odd line at byte %d", at)
		case len(code) == 4:
			d.banks = append(d.banks, bankLines{Bank: Bank{Code: id.Bank(code), Name: name, Kana: reading}, from: next, to: next})
		default:
			last := &d.banks[len(d.banks)-1]
			last.to = next
			last.branches++
		}
		at = next
	}
	d.keys = sync.OnceValue(d.makeKeys)
	return d, nil
}

// row reads the line that begins at a byte of the text and says where the next one begins.
func row(text string, at int) (code, name, reading string, next int, ok bool) {
	line := text[at:]
	end := strings.IndexByte(line, '\n')
	if end < 0 {
		return "", "", "", 0, false
	}
	code, rest, ok1 := strings.Cut(line[:end], "\t")
	name, reading, ok2 := strings.Cut(rest, "\t")
	return code, name, reading, at + end + 1, ok1 && ok2 && (len(code) == 3 || len(code) == 4)
}

// Edition is the Japanese date of the edition: "2026-08-24".
func (d *Directory) Edition() string { return d.edition }

// find is the bank's index entry.
func (d *Directory) find(code id.Bank) (bankLines, bool) {
	i := sort.Search(len(d.banks), func(i int) bool { return d.banks[i].Code >= code })
	if i == len(d.banks) || d.banks[i].Code != code {
		return bankLines{}, false
	}
	return d.banks[i], true
}

// Bank looks a bank up by its four-digit code.
func (d *Directory) Bank(code id.Bank) (Bank, bool) {
	b, ok := d.find(code)
	return b.Bank, ok
}

// Banks lists all banks in order of code.
func (d *Directory) Banks() []Bank {
	list := make([]Bank, len(d.banks))
	for i, b := range d.banks {
		list[i] = b.Bank
	}
	return list
}

// Branch looks a branch up by its bank's code and its own three digits.
func (d *Directory) Branch(bank id.Bank, code string) (Branch, bool) {
	var found Branch
	d.eachBranch(bank, func(b Branch) bool {
		if b.Code == code {
			found = b
		}
		return b.Code < code
	})
	return found, found.Code != ""
}

// Branches lists a bank's branches in order of code; an unknown bank has none.
func (d *Directory) Branches(bank id.Bank) []Branch {
	var list []Branch
	d.eachBranch(bank, func(b Branch) bool {
		list = append(list, b)
		return true
	})
	return list
}

// eachBranch calls use with every branch of a bank in order of code until it answers false.
func (d *Directory) eachBranch(bank id.Bank, use func(Branch) bool) {
	lines, ok := d.find(bank)
	if !ok {
		return
	}
	for at := lines.from; at < lines.to; {
		code, name, reading, next, _ := row(d.text, at)
		if !use(Branch{Bank: bank, Code: code, Name: name, Kana: reading}) {
			return
		}
		at = next
	}
}
