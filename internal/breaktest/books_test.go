package breaktest

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/money"
	"github.com/kozamori/kozamori/internal/store/sqldb"
)

// database opens a role's tables for reading alone: a file or, where its configuration names a server, a schema.
func database(t testing.TB, dir string, parts ...string) *sql.DB {
	t.Helper()
	config, err := os.ReadFile(filepath.Join(dir, "config", parts[0]+".toml"))
	must(t, err)
	if store := storeSetting.FindSubmatch(config); store != nil {
		url, err := strconv.Unquote(string(store[1]))
		must(t, err)
		place, _ := sqldb.Places(url, "", parts[0], parts[1:len(parts)-1]...)
		db, err := sqldb.OpenToRead(place)
		must(t, err)
		t.Cleanup(func() { must(t, db.Close()) })
		return db.Read()
	}
	path := filepath.Join(append([]string{dir, "data"}, parts...)...)
	db, err := sql.Open("sqlite", "file:"+path+"?mode=ro&_pragma=busy_timeout(20000)")
	must(t, err)
	t.Cleanup(func() { must(t, db.Close()) })
	return db
}

var storeSetting = regexp.MustCompile(`(?m)^store = (".*")$`)

// rows reads a query of strings and numbers.
func rows[T any](t testing.TB, db *sql.DB, scan func(*sql.Rows) (T, error), query string, args ...any) []T {
	t.Helper()
	found, err := db.QueryContext(t.Context(), query, args...)
	must(t, err)
	defer func() { must(t, found.Close()) }()
	var out []T
	for found.Next() {
		v, err := scan(found)
		must(t, err)
		out = append(out, v)
	}
	must(t, found.Err())
	return out
}

// number reads one number.
func number(t testing.TB, db *sql.DB, query string, args ...any) int64 {
	t.Helper()
	var n sql.NullInt64
	must(t, db.QueryRowContext(t.Context(), query, args...).Scan(&n))
	return n.Int64
}

// booked is a charge at a service, or a debit at a bank, as its books have it.
type entry struct {
	debit   id.Debit
	link    id.Link
	amount  money.Yen
	state   string
	rule    string
	account string
	moves   int // transfers that moved money under its id
}

// books are what one company has: its charges or debits by id, and what the other owes it.
type books struct {
	entries map[id.Debit]entry
	balance money.Yen // of the account that stands for the other company, before any settlement
}

// open lists what has no end yet.
func (b books) open() []id.Debit {
	var out []id.Debit
	for _, e := range b.entries {
		switch e.state {
		case "done", "refused", "never", "reversed":
		default:
			out = append(out, e.debit)
		}
	}
	return out
}

// sum adds up what stands in a state.
func (b books) sum(state string) (sum money.Yen, n int) {
	for _, e := range b.entries {
		if e.state == state {
			sum, n = sum+e.amount, n+1
		}
	}
	return sum, n
}

func readEntries(t testing.TB, db *sql.DB, query string, args ...any) map[id.Debit]entry {
	t.Helper()
	out := map[id.Debit]entry{}
	for _, e := range rows(t, db, func(r *sql.Rows) (e entry, err error) {
		err = r.Scan(&e.debit, &e.link, &e.amount, &e.state, &e.rule, &e.account, &e.moves)
		return e, err
	}, query, args...) {
		out[e.debit] = e
	}
	return out
}

// walletBooks reads a service's charges. A charge moved money if its hold was posted.
func walletBooks(t testing.TB, dir string, s id.Service) books {
	t.Helper()
	db := database(t, dir, string(s), "money.db")
	return books{
		entries: readEntries(t, db, `SELECT c.debit, c.link, c.amount, c.state, c.rule, c.account,
			(SELECT count(*) FROM ledger_entries e JOIN ledger_entries p ON p.about = e.seq AND p.act = 3 WHERE e.id = c.debit) FROM charges c`),
		balance: money.Yen(number(t, db, `SELECT sum(balance) FROM ledger_accounts WHERE kind IN ('receivable', 'settled')`)),
	}
}

// bankBooks reads what a bank has of a service.
func bankBooks(t testing.TB, dir string, bank id.Bank, s id.Service) books {
	t.Helper()
	db := database(t, dir, "bank", string(bank), "money.db")
	return books{
		entries: readEntries(t, db, `SELECT d.id, d.link, d.amount, CASE WHEN d.reversed_us > 0 THEN 'reversed' ELSE d.outcome END, d.rule, d.account,
			(SELECT count(*) FROM ledger_entries e WHERE e.id = d.service || '/' || d.id AND e.act = 1) FROM debit d WHERE d.service = $1`, s),
		balance: money.Yen(number(t, db, `SELECT balance - (SELECT coalesce(sum(CASE WHEN e.debit = a.num THEN -e.amount ELSE e.amount END), 0)
			FROM ledger_entries e WHERE a.num IN (e.debit, e.credit) AND e.act = 1 AND e.kind = 'settlement')
			FROM ledger_accounts a WHERE id = $1`, "service/"+string(s))),
	}
}

// deposit is the balance of an account of seven digits.
func deposit(t testing.TB, dir string, bank id.Bank, accountNumber string) money.Yen {
	t.Helper()
	return money.Yen(number(t, database(t, dir, "bank", string(bank), "money.db"),
		`SELECT l.balance FROM account a JOIN ledger_accounts l ON l.id = 'deposit/' || a.id WHERE a.number = ?`, accountNumber))
}

// sameAtBothSides fails unless every charge of a service ended alike at its banks: booked there exactly once if
// and only if it is done here, and the sums are equal.
func sameAtBothSides(t testing.TB, dir string, s id.Service, banks ...id.Bank) (done int) {
	t.Helper()
	here, there := walletBooks(t, dir, s), books{entries: map[id.Debit]entry{}}
	for _, code := range banks {
		b := bankBooks(t, dir, code, s)
		there.balance += b.balance
		for d, e := range b.entries {
			there.entries[d] = e
		}
	}
	want := map[string]string{"done": "booked", "reversed": "reversed"}
	for d, c := range here.entries {
		k, known := there.entries[d]
		switch {
		case want[c.state] != "":
			if k.state != want[c.state] || k.moves != 1 || c.moves != 1 || k.amount != c.amount {
				t.Errorf("charge %s is %s at the service (%d postings of %d yen); at the bank %+v", d, c.state, c.moves, c.amount, k)
			}
		case c.moves != 0 || known && (k.moves != 0 || k.state == "booked" || k.state == "reversed"):
			t.Errorf("charge %s is %s at the service, %d postings; at the bank %+v", d, c.state, c.moves, k)
		}
		if c.state == "done" {
			done++
		}
	}
	for d, k := range there.entries {
		if _, known := here.entries[d]; !known && k.moves > 0 {
			t.Errorf("the bank booked %s, which the service does not know: %+v", d, k)
		}
	}
	sum, _ := here.sum("done")
	if here.balance != -sum || there.balance != sum {
		t.Errorf("charges of %d yen are done; the service's receivable is %d, the bank's account of the service %d", sum, here.balance, there.balance)
	}
	return done
}

// state is how a charge stands at the service and at a bank: "done/booked".
func state(t testing.TB, dir string, bank id.Bank, s id.Service, d id.Debit) string {
	t.Helper()
	return fmt.Sprintf("%s/%s", walletBooks(t, dir, s).entries[d].state, bankBooks(t, dir, bank, s).entries[d].state)
}
