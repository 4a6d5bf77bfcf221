package audit

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/kozamori/kozamori/internal/money"
)

// entry is a row of the journal as it is stored. What the columns mean, table by table, is in docs/books.md.
type entry struct {
	seq, act, atUs                  int64
	id                              string
	about, legs                     int64
	kind                            string
	debit, credit                   int64
	amount, debitAfter, creditAfter money.Yen
	gate                            int64
	limits, memo, detail            string
}

// The acts.
const (
	actLeg, actMove, actHold, actPost, actVoid, actBury, actRefusal, actNoHold = 0, 1, 2, 3, 4, 5, 6, 7
	actOpen, actBound, actGate, actLimit                                       = 10, 11, 20, 30
)

const selectEntries = `SELECT seq, act, at_us, id, about, legs, kind, debit, credit, amount, debit_after, credit_after, gate, limits, memo, detail FROM ledger_entries `

func intoEntry(e *entry) []any {
	return []any{&e.seq, &e.act, &e.atUs, &e.id, &e.about, &e.legs, &e.kind, &e.debit, &e.credit, &e.amount, &e.debitAfter, &e.creditAfter,
		&e.gate, &e.limits, &e.memo, &e.detail}
}

// record is the entry as the log hashes it.
func (e *entry) record(b []byte) []byte {
	number := func(list ...int64) {
		for _, n := range list {
			b = binary.BigEndian.AppendUint64(b, uint64(n))
		}
	}
	word := func(s string) {
		number(int64(len(s)))
		b = append(b, s...)
	}
	b = append(b, "kozamori entry 1\n"...)
	number(e.seq, e.act, e.atUs)
	word(e.id)
	number(e.about, e.legs)
	word(e.kind)
	number(e.debit, e.credit, int64(e.amount), int64(e.debitAfter), int64(e.creditAfter), e.gate)
	word(e.limits)
	word(e.memo)
	word(e.detail)
	return b
}

// The contents of an entry's detail, by its act.
type (
	transferDetail struct {
		Device  string `json:"device"`
		Final   bool   `json:"final"`
		UntilUs int64  `json:"until"`
		Outcome string `json:"outcome"`
	}
	accountDetail struct {
		Kind           string
		Floor, Ceiling money.Yen
		In             bool `json:"frozen_in"`
		Out            bool `json:"frozen_out"`
		Closed         bool
	}
	gateDetail struct {
		Parent       int64
		Shut         string
		NotBefore    int64 `json:"not_before"`
		Until        int64
		LimitedUntil int64     `json:"limited_until"`
		LimitedCap   money.Yen `json:"limited_cap"`
		Device       string
		Version      int64
	}
	limitDetail struct {
		Each, Day, Month money.Yen
		Version          int64
	}
)

// read reads the detail.
func (e *entry) read(into any) error {
	if e.detail == "" {
		return nil
	}
	return json.Unmarshal([]byte(e.detail), into)
}

// numbers reads a list of numbers ("12 34").
func numbers(s string) ([]int64, error) {
	var list []int64
	for _, w := range strings.Fields(s) {
		n, err := strconv.ParseInt(w, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%.40q is not a list of numbers", s)
		}
		list = append(list, n)
	}
	return list, nil
}

// steps writes a growing list of numbers as a column keeps it: each as a varint of how much it is above the one before.
func steps(list []int64) []byte {
	b := []byte{}
	was := int64(0)
	for _, n := range list {
		b = binary.AppendUvarint(b, uint64(n-was))
		was = n
	}
	return b
}

// readable shows a list that a column keeps.
func readable(b []byte) string {
	var list []int64
	for was := int64(0); len(b) > 0; {
		n, size := binary.Uvarint(b)
		if size <= 0 {
			return fmt.Sprint(list, " and what is no number")
		}
		b, was = b[size:], was+int64(n)
		list = append(list, was)
	}
	return fmt.Sprint(list)
}
