package wallet

import (
	"crypto/rand"
	"testing"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/outbox"
	"github.com/kozamori/kozamori/internal/store/pgtest"
	"github.com/kozamori/kozamori/internal/store/sqldb"
	"github.com/kozamori/kozamori/internal/wallet"
)

// Statements that were exchanged before there were pages are kept: one page each, which does not count as compared
// in today's way, so that the day is exchanged once more.
func TestStatementsBecomePages(t *testing.T) { pgtest.Both(t, testStatementsBecomePages) }

func testStatementsBecomePages(t *testing.T, place func() string) {
	path := place()
	key := make([]byte, outbox.KeySize)
	_, _ = rand.Read(key)
	sealer, err := outbox.NewSealer(key)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(err)
	open := func() *Store {
		s, err := Open(path, sealer)
		must(err)
		_, err = s.Migrate(t.Context())
		must(err)
		return s
	}
	db := before(t, path, "00110_statement_pages.sql")
	must(db.Write(t.Context(), func(tx *sqldb.Tx) error {
		_, err := tx.Exec(`INSERT INTO statements (issuer, day, provisional, ours_jws, theirs_jws, at_us) VALUES
			('https://bank', '2026-11-22', 0, 'ours', 'theirs', 7), ('https://bank', '2026-11-23', 1, 'ours so far', 'theirs so far', 8)`)
		return err
	}))
	must(db.Close())

	s := open()
	defer func() { must(s.Close()) }()
	for day, want := range map[string]wallet.StatementPage{
		"2026-11-22": {Ours: "ours", Theirs: "theirs"},
		"2026-11-23": {Ours: "ours so far", Theirs: "theirs so far", Provisional: true},
	} {
		p, err := s.StatementPage(t.Context(), "https://bank", day, 0)
		if err != nil || p.N != 1 || !p.Last() || p.Ours != want.Ours || p.Theirs != want.Theirs || p.Provisional != want.Provisional || p.OurTotal.Lines != -1 {
			t.Errorf("%s: %+v, %v", day, p, err)
		}
	}
	days, err := s.FinalDays(t.Context(), "https://bank")
	if err != nil || len(days) != 1 || days[0].Announced {
		t.Errorf("%+v, %v", days, err)
	}
	// The day takes its place in pages like any other.
	again := wallet.StatementPage{Issuer: "https://bank", Day: "2026-11-22", N: 1, Upto: "deb_5", Ours: "x", Theirs: "y", At: at}
	must(s.Commit(t.Context(), ledger.Write(wallet.PutStatement{Page: again})))
	if _, err := s.StatementPage(t.Context(), "https://bank", "2026-11-22", 2); fault.Of(err) != fault.NotFound {
		t.Errorf("%v", err)
	}
}
