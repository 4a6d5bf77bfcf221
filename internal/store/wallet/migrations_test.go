package wallet

import (
	"context"
	"crypto/rand"
	"io/fs"
	"slices"
	"testing"
	"testing/fstest"

	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/outbox"
	"github.com/kozamori/kozamori/internal/store/ledgersql"
	"github.com/kozamori/kozamori/internal/store/outboxsql"
	"github.com/kozamori/kozamori/internal/store/pgtest"
	"github.com/kozamori/kozamori/internal/store/sqldb"
	"github.com/kozamori/kozamori/internal/wallet"
)

// before makes a wallet's file as it was before a migration.
func before(t *testing.T, path, migration string) *sqldb.DB {
	t.Helper()
	old := fstest.MapFS{}
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() >= migration {
			return err
		}
		data, err := files.ReadFile(name)
		old[name] = &fstest.MapFile{Data: data}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	db, err := sqldb.Open(path, ledgersql.Migrations(), outboxsql.Migrations(), sqldb.Source{Name: "wallet", FS: old})
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// A counter of open changes becomes the set of the messages that wait: what is open stays open, and a counter that
// lost or kept one is put right (L9).
func TestOpenChangesOfBefore(t *testing.T) { pgtest.Both(t, testOpenChangesOfBefore) }

func testOpenChangesOfBefore(t *testing.T, place func() string) {
	path := place()
	key := make([]byte, outbox.KeySize)
	_, _ = rand.Read(key)
	sealer, err := outbox.NewSealer(key)
	if err != nil {
		t.Fatal(err)
	}
	db := before(t, path, "00101_link_changes.sql")
	messages := []outbox.Message{
		{ID: "msg_1", Kind: wallet.KindChange, Key: "lnk_two"}, {ID: "msg_2", Kind: wallet.KindChange, Key: "lnk_two"},
		{ID: "msg_3", Kind: wallet.KindChange, Key: "lnk_lost"}, {ID: "msg_4", Kind: wallet.KindAbort, Key: "req_1"},
	}
	err = db.Write(t.Context(), func(tx *sqldb.Tx) error {
		for link, open := range map[string]int{"lnk_two": 2, "lnk_lost": 0, "lnk_none": 0, "lnk_stuck": 1} {
			if _, err := tx.Exec(`INSERT INTO links (link, request, subject, issuer, bank, name_ja, name_en, pseudonym, device, seq,
				reported, reason, per_debit, per_day, per_month, receipt_us, cooling_us, limited_us, valid_us, changes_open,
				end_requested, report_jws, created_us, updated_us, version)
				VALUES ($1, 'req', 'sub', 'https://bank', '0149', 'ja', 'en', 'psn', 'dev', 3, 'active', '', 1, 2, 3, 0, 0, 0, 0, $2, 0,
				'jws', 1, 1, 7)`, link, open); err != nil {
				return err
			}
		}
		return outboxsql.New(db, sealer).Insert(t.Context(), tx, messages...)
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := Open(path, sealer)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if applied, err := s.Migrate(context.Background()); err != nil || !slices.Contains(applied, "wallet/00101_link_changes.sql") {
		t.Fatalf("%q, %v", applied, err)
	}
	for link, want := range map[string][]string{"lnk_two": {"msg_1", "msg_2"}, "lnk_lost": {"msg_3"}, "lnk_none": {}, "lnk_stuck": {}} {
		l, err := s.Link(t.Context(), id.Link(link))
		if err != nil || !slices.Equal(l.Changes, want) || l.Seq != 3 || l.Version != 7 {
			t.Errorf("%s: %+v, %v", link, l, err)
		}
	}
	l, err := s.Link(t.Context(), "lnk_two")
	if err != nil {
		t.Fatal(err)
	}
	l.Changes, l.Version = []string{"chg_5", "msg_2"}, 8
	if err := s.Commit(t.Context(), wallet.PutLink{Link: l, IfVersion: 7}); err != nil {
		t.Fatal(err)
	}
	if l, err = s.Link(t.Context(), "lnk_two"); err != nil || !slices.Equal(l.Changes, []string{"chg_5", "msg_2"}) {
		t.Errorf("written: %v, %v", l.Changes, err)
	}
}
