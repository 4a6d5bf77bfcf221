package wire

import (
	"errors"
	"fmt"
	"slices"

	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/money"
)

// MaxStatementLines bounds the lines of a page, and its open charges: signed and in base64 a page stays well below
// what a call may carry.
const MaxStatementLines = 500

// MaxStatementPages bounds a day: some 500,000 lines between one service and one bank. Whoever goes on for longer
// wants to fill the other's disk.
const MaxStatementPages = 2000

// Covers says whether a debit lies on the page.
func (m *Statement) Covers(d id.Debit) bool { return d > m.After && (m.Upto == "" || d <= m.Upto) }

// Last says whether the page ends the day.
func (m *Statement) Last() bool { return m.Upto == "" }

// CheckPage refuses a page that is longer than pages are, and a last one without its total.
func (m *Statement) CheckPage() error {
	switch {
	case len(m.Lines) > MaxStatementLines || len(m.Open) > MaxStatementLines:
		return fmt.Errorf("a page of %d lines and %d open charges", len(m.Lines), len(m.Open))
	case m.Last() && m.Total == nil:
		return errors.New("the last page has no total")
	}
	return nil
}

// Narrow lets the page end earlier, where the other side's does: nothing behind it is compared now.
func (m *Statement) Narrow(upto id.Debit) {
	if m.Upto == upto {
		return
	}
	m.Upto, m.Total = upto, nil
	m.Lines = slices.DeleteFunc(m.Lines, func(l StatementLine) bool { return !m.Covers(l.Debit) })
	m.Open = slices.DeleteFunc(m.Open, func(d id.Debit) bool { return !m.Covers(d) })
}

// CutPage lets a page end before the first line that is too many. Lines are in order; a debit's lines stay together,
// so a page's border is a debit and no line can fall between two pages.
func (m *Statement) CutPage() {
	if len(m.Open) > MaxStatementLines {
		m.Narrow(m.Open[MaxStatementLines-1])
	}
	if len(m.Lines) <= MaxStatementLines {
		return
	}
	last := MaxStatementLines - 1
	for m.Lines[last].Debit == m.Lines[MaxStatementLines].Debit {
		last--
	}
	m.Narrow(m.Lines[last].Debit)
}

// Add counts lines in.
func (t StatementTotal) Add(lines []StatementLine) StatementTotal {
	for _, l := range lines {
		t.Lines++
		if l.Kind == "reversal" {
			t.Reversals += l.Amount
		} else {
			t.Debits += l.Amount
		}
	}
	return t
}

// Net is what the bank owes the service for the day; negative where the service owes the bank.
func (t StatementTotal) Net() money.Yen { return t.Debits - t.Reversals }

func (m *Settlement) check() error {
	err := checkDate("day", m.Day)
	if m.Total.Lines < 0 {
		err = errors.Join(err, errors.New("fewer lines than none"))
	}
	return err
}

func (m *Statement) checkRange() error {
	var err error
	for _, f := range []field{{"after", string(m.After)}, {"upto", string(m.Upto)}} {
		if f.value != "" {
			err = errors.Join(err, checkFields(f))
		}
	}
	if m.Upto != "" && (m.Upto <= m.After || m.Total != nil || m.Settlement != "") {
		err = errors.Join(err, errors.New("upto is not behind after, or the total comes too early"))
	}
	for _, l := range m.Lines {
		if !m.Covers(l.Debit) {
			return errors.Join(err, fmt.Errorf("the line of %.60q is not on the page", l.Debit))
		}
	}
	for _, d := range m.Open {
		if !m.Covers(d) {
			return errors.Join(err, fmt.Errorf("%.60q is not on the page", d))
		}
	}
	return err
}
