package wire_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/money"
	"github.com/kozamori/kozamori/internal/wire"
)

// linesOf makes a day: every third debit was given back.
func linesOf(debits int) (lines []wire.StatementLine) {
	for i := range debits {
		l := wire.StatementLine{Kind: "debit", Debit: id.Debit(fmt.Sprintf("deb_%026d", i)), Link: linkID, Amount: money.Yen(i + 1), BookedUs: 1, Receipt: hash0}
		lines = append(lines, l)
		if i%3 == 0 {
			l.Kind = "reversal"
			lines = append(lines, l)
		}
	}
	return lines
}

// However a day is cut, its pages together are the day, and each fits into a call.
func TestPagesTogetherAreTheDay(t *testing.T) {
	key := wire.GenerateKey()
	for _, debits := range []int{0, 1, 374, 375, 376, 500, 501, 1200} {
		day, seen := linesOf(debits), 0
		var total wire.StatementTotal
		for after, pages := id.Debit(""), 1; ; pages++ {
			m := wire.Statement{Header: wire.Header{Issuer: "i", Audience: "a", IssuedAt: 1}, Day: "2026-11-23", After: after, Lines: append([]wire.StatementLine{}, day[seen:]...)}
			for i := range debits {
				if d := id.Debit(fmt.Sprintf("deb_%026d", i)); m.Covers(d) {
					m.Open = append(m.Open, d)
				}
			}
			m.CutPage()
			for _, l := range m.Lines {
				if l != day[seen] {
					t.Fatalf("%d debits: line %d is %v", debits, seen, l)
				}
				seen++
			}
			total = total.Add(m.Lines)
			if m.Last() {
				m.Total = &total
			}
			text, err := wire.Sign(key, &m)
			if err != nil || m.CheckPage() != nil {
				t.Fatalf("%d debits, page %d: %v, %v", debits, pages, err, m.CheckPage())
			}
			if body, _ := json.Marshal(map[string]string{"issuer": "https://0149.bank.example.jp", "statement": text}); len(body) > 200<<10 {
				t.Errorf("a call of %d bytes", len(body))
			}
			if m.Last() {
				break
			}
			if after = m.Upto; pages > 10 {
				t.Fatalf("%d debits: no end", debits)
			}
		}
		if seen != len(day) || total != (wire.StatementTotal{}).Add(day) {
			t.Errorf("%d debits: %d of %d lines, %+v", debits, seen, len(day), total)
		}
	}
}

func TestPageIsBounded(t *testing.T) {
	m := wire.Statement{Lines: linesOf(500), Total: &wire.StatementTotal{}}
	if m.CheckPage() == nil {
		t.Error("a page of any length")
	}
	m = wire.Statement{Open: make([]id.Debit, wire.MaxStatementLines+1), Total: &wire.StatementTotal{}}
	if m.CheckPage() == nil {
		t.Error("any number of open charges")
	}
	m = wire.Statement{}
	if m.CheckPage() == nil {
		t.Error("a last page without a total")
	}
}

// What both sides cover is compared, and nothing behind it.
func TestNarrow(t *testing.T) {
	m := wire.Statement{Lines: linesOf(3), Open: []id.Debit{"deb_1"}, Total: &wire.StatementTotal{}}
	m.Narrow(m.Lines[1].Debit)
	if len(m.Lines) != 2 || len(m.Open) != 0 || m.Last() || m.Total != nil {
		t.Errorf("%+v", m)
	}
}
