package breaktest

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kozamori/kozamori/internal/clock"
)

// TestDaysAreSettledOverHTTP: after midnight the day's books are exchanged by themselves, the bank announces what it
// pays out, staff records that it has arrived, and the audit agrees all the way. Then a day of 3,001 debits goes
// through the hub whole.
func TestDaysAreSettledOverHTTP(t *testing.T) {
	s := ownStage(t)
	a := s.active(t, shizuoka)
	_, err := a.Charge(t.Context(), maru, 3_000)
	must(t, err)
	back, err := a.Charge(t.Context(), maru, 1_000)
	must(t, err)
	s.settle(t, maru)
	must(t, s.GiveBack(t.Context(), maru, back))
	eventually(t, time.Minute, "the money is given back", nil, func() bool { return state(t, s.dir, shizuoka, maru, back) == "reversed/reversed" })
	day := s.midnight(t)
	eventually(t, 3*time.Minute, "the bank's settlement", nil, func() bool { return s.announced(t, day) == 3_000 })
	s.audited(t)

	arrival := map[string]any{"issuer": s.info.Banks[shizuoka], "day": day, "amount": 3_000}
	must(t, s.Staff(t.Context(), maru, "arrivals", arrival, nil))
	if err := s.Staff(t.Context(), maru, "arrivals", arrival, nil); err == nil || !strings.Contains(err.Error(), "409") {
		t.Errorf("the arrival again: %v", err)
	}
	s.audited(t)
	sameAtBothSides(t, s.dir, maru, shizuoka)
	if owed := number(t, database(t, s.dir, "maru", "money.db"), `SELECT balance FROM ledger_accounts WHERE kind = 'receivable' AND id LIKE '%0149%'`); owed != 0 {
		t.Errorf("the bank still owes %d", -owed)
	}

	// A busy day, as rows on both sides: copies of one real debit. What the ledgers say is no matter here.
	debit, err := a.Charge(t.Context(), maru, 10)
	must(t, err)
	s.settle(t, maru)
	const copies = 3_000
	s.copyRow(t, copies, "charges", "debit", string(debit), "maru", "money.db")
	s.copyRow(t, copies, "debit", "id", string(debit), "bank", string(shizuoka), "money.db")
	day = s.midnight(t)
	var got struct {
		Exchanged []struct {
			Provisional bool  `json:"provisional"`
			Breaks      []any `json:"breaks"`
		} `json:"exchanged"`
	}
	must(t, s.Staff(t.Context(), maru, "statements", map[string]any{"issuer": s.info.Banks[shizuoka], "day": day}, &got))
	if len(got.Exchanged) != 1 || got.Exchanged[0].Provisional || len(got.Exchanged[0].Breaks) != 0 {
		t.Errorf("the busy day: %+v", got)
	}
	if net := s.announced(t, day); net != (copies+1)*10 {
		t.Errorf("the bank settles %d", net)
	}
	if pages := number(t, database(t, s.dir, "maru", "money.db"), `SELECT count(*) FROM statement_pages WHERE day = ?`, day); pages != 7 {
		t.Errorf("%d pages", pages)
	}
}

// midnight moves the clock to 20 minutes after the next midnight in Japan, and names the day that ended.
func (s *stage) midnight(t *testing.T) string {
	t.Helper()
	now := s.clock.Now().In(clock.Tokyo)
	day := clock.Day(now)
	s.until(time.Date(now.Year(), now.Month(), now.Day()+1, 0, 20, 0, 0, clock.Tokyo))
	return day
}

// announced is the net of what まるペイ has heard as settled of a day; -1 for nothing.
func (s *stage) announced(t *testing.T, day string) int64 {
	t.Helper()
	return number(t, database(t, s.dir, "maru", "money.db"),
		`SELECT coalesce(max(debits - reversals), -1) FROM settlements WHERE day = ? AND issuer LIKE '%0149%'`, day)
}

// copyRow writes a row n times under other ids, behind the role's back.
func (s *stage) copyRow(t *testing.T, n int, table, key, of string, parts ...string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(append([]string{s.dir, "data"}, parts...)...)+"?_pragma=busy_timeout(20000)")
	must(t, err)
	defer func() { must(t, db.Close()) }()
	db.SetMaxOpenConns(1)
	columns := rows(t, db, func(r *sql.Rows) (name string, err error) { return name, r.Scan(&name) }, `SELECT name FROM pragma_table_info(?)`, table)
	values := strings.Join(columns, ", ")
	_, err = db.ExecContext(t.Context(), fmt.Sprintf(`WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
		INSERT INTO %s (%s) SELECT %s FROM %s, n WHERE %s = ?2`,
		table, values, strings.Replace(", "+values, ", "+key+",", ", printf('deb_%026d', i),", 1)[2:], table, key), n, of)
	must(t, err)
}
