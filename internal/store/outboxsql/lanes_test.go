package outboxsql_test

import (
	"context"
	"fmt"
	"io/fs"
	"sync/atomic"
	"testing"
	"testing/fstest"

	"github.com/kozamori/kozamori/internal/outbox"
	"github.com/kozamori/kozamori/internal/store/outboxsql"
	"github.com/kozamori/kozamori/internal/store/pgtest"
	"github.com/kozamori/kozamori/internal/store/sqldb"
)

// A destination that never answers fills its own places and holds up nobody else, however much waits for it (L8).
func TestSilentDestination(t *testing.T) { pgtest.Both(t, testSilentDestination) }

func testSilentDestination(t *testing.T, place func() string) {
	b := newBox(t, place())
	var all []outbox.Message
	for i := range 200 {
		all = append(all, outbox.Message{ID: fmt.Sprint("order ", i), Kind: "order", To: "bank A", Key: fmt.Sprint("c", i)})
	}
	for i := range 50 {
		all = append(all, outbox.Message{ID: fmt.Sprint("b", i), Kind: "order", To: "bank B"}, outbox.Message{ID: fmt.Sprint("m", i), Kind: "mail"})
	}
	b.insert(all...)
	var hang, most, answered atomic.Int64
	told := make(chan string, 100)
	stop := b.run(outbox.Options{
		Parallel: 3,
		Handlers: map[string]outbox.Handler{
			"order": func(ctx context.Context, m outbox.Message) error {
				if m.To == "bank B" {
					told <- m.ID
					return nil
				}
				most.Store(max(most.Load(), hang.Add(1)))
				<-ctx.Done()
				answered.Add(1)
				return ctx.Err()
			},
			"mail": func(_ context.Context, m outbox.Message) error { told <- m.ID; return nil },
		},
	})
	defer stop()
	for range 100 {
		<-told
	}
	if hang.Load() != 3 || most.Load() != 3 || answered.Load() != 0 {
		t.Errorf("%d deliveries to the silent bank, at most %d at once, %d ended", hang.Load(), most.Load(), answered.Load())
	}
}

// Due gives every lane its own share, in the order of all.
func TestDueByLane(t *testing.T) { pgtest.Both(t, testDueByLane) }

func testDueByLane(t *testing.T, place func() string) {
	b := newBox(t, place())
	b.insert(
		outbox.Message{ID: "1", Kind: "k", To: "z"}, outbox.Message{ID: "2", Kind: "k", To: "z"}, outbox.Message{ID: "3", Kind: "k", To: "z"},
		outbox.Message{ID: "4", Kind: "k"}, outbox.Message{ID: "5", Kind: "j", To: "a", Due: began.Add(-1)}, outbox.Message{ID: "6", Kind: "k"},
		outbox.Message{ID: "7", Kind: "j", To: "late", Due: began.Add(1e9)},
	)
	b.wantDue(2, "1", "2", "4", "6", "5")
	b.wantDue(1, "1", "4", "5")
	b.settle([]string{"1", "2", "4"})
	b.wantDue(2, "3", "6", "5")
}

// A file from before has its messages in the lanes of their kinds.
func TestMessagesOfBefore(t *testing.T) { pgtest.Both(t, testMessagesOfBefore) }

func testMessagesOfBefore(t *testing.T, place func() string) {
	first, err := fs.ReadFile(outboxsql.Migrations().FS, "migrations/00001_outbox.sql")
	if err != nil {
		t.Fatal(err)
	}
	path := place()
	old := sqldb.Source{Name: "outbox", FS: fstest.MapFS{"migrations/00001_outbox.sql": &fstest.MapFile{Data: first}}}
	db, err := sqldb.Open(path, old)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Write(t.Context(), func(tx *sqldb.Tx) error {
		_, err := tx.Exec(`INSERT INTO outbox_messages (id, kind, key, sealed, due_us, attempts)
			VALUES ('1', 'mail', 'a', $1, 0, 2), ('2', 'mail', 'a', $1, 0, 0), ('3', 'sms', '', $1, 0, 0)`, []byte{0})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if db, err = sqldb.Open(path, outboxsql.Migrations()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	b := &box{t: t, db: db, now: began, Store: outboxsql.New(db, nobody{})}
	b.insert(outbox.Message{ID: "4", Kind: "mail"})
	b.wantDue(10, "1", "3", "4")
	b.wantDue(1, "1", "3")
}

// nobody opens and seals nothing.
type nobody struct{}

func (nobody) Seal([]byte, string) ([]byte, error) { return []byte{}, nil }
func (nobody) Open([]byte, string) ([]byte, error) { return nil, outbox.ErrSealed }
