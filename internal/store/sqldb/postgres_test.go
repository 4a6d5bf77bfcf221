package sqldb_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/store/pgtest"
	"github.com/kozamori/kozamori/internal/store/sqldb"
)

// The promises of durability are settings of each connection, whatever the server's are.
func TestServerSettings(t *testing.T) {
	db := open(t, pgtest.URL(t), words)
	got := map[string]string{}
	err := db.Write(t.Context(), func(tx *sqldb.Tx) error {
		for _, name := range []string{"synchronous_commit", "idle_in_transaction_session_timeout", "statement_timeout", "lock_timeout", "transaction_isolation", "client_encoding"} {
			var v string
			if err := tx.QueryRow(`SELECT current_setting($1)`, name).Scan(&v); err != nil {
				return err
			}
			got[name] = v
		}
		return nil
	})
	want := map[string]string{
		"synchronous_commit": "on", "idle_in_transaction_session_timeout": "5s", "statement_timeout": "30s", "lock_timeout": "10s",
		"transaction_isolation": "read committed", "client_encoding": "UTF8",
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v, %s", err, diff)
	}
	err = db.View(t.Context(), func(tx *sqldb.Tx) error {
		var isolation, readOnly string
		if err := tx.QueryRow(`SELECT current_setting('transaction_isolation'), current_setting('transaction_read_only')`).Scan(&isolation, &readOnly); err != nil {
			return err
		}
		if isolation != "repeatable read" || readOnly != "on" {
			t.Errorf("a view is %s, read only %s", isolation, readOnly)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// Statements that go out together are part of the transaction.
func TestBatch(t *testing.T) {
	db := open(t, pgtest.URL(t), words)
	var batch pgx.Batch
	batch.Queue(`INSERT INTO words (w, n) VALUES ($1, $2)`, "a", true)
	batch.Queue(`INSERT INTO words (w, n) VALUES ($1, $2)`, "b", 2)
	enough := errors.New("enough")
	for _, failing := range []error{enough, nil} {
		err := db.Write(t.Context(), func(tx *sqldb.Tx) error {
			if err := tx.Postgres(func(c *pgx.Conn) error { return c.SendBatch(t.Context(), &batch).Close() }); err != nil {
				return err
			}
			var n int
			if err := tx.QueryRow(`SELECT COUNT(*) FROM words`).Scan(&n); err != nil || n != 2 {
				t.Errorf("%d, %v", n, err)
			}
			return failing
		})
		if !errors.Is(err, failing) {
			t.Error(err)
		}
	}
	if n := count(t, db); n != 2 {
		t.Errorf("%d rows", n)
	}
	file := open(t, oddPath(t), words)
	err := file.Write(t.Context(), func(tx *sqldb.Tx) error { return tx.Postgres(func(*pgx.Conn) error { return nil }) })
	if err == nil || fault.Of(err) != fault.Internal {
		t.Errorf("on SQLite: %v", err)
	}
}

// A server that ends in the middle is out of order and no fault of the rows; when it is back the same pools go on.
func TestServerEnds(t *testing.T) {
	server := pgtest.Start(t)
	db := open(t, server.URL("words"), words)
	for name, end := range map[string]func(testing.TB){"killed": server.Kill, "stopped": server.Stop} {
		if err := add(t.Context(), db, name, 1); err != nil {
			t.Fatal(err)
		}
		err := db.Write(t.Context(), func(tx *sqldb.Tx) error {
			if _, err := tx.Exec(`INSERT INTO words (w, n) VALUES ($1, 1)`, "lost "+name); err != nil {
				return err
			}
			end(t)
			return nil
		})
		if _, ok := errors.AsType[*sqldb.CommitError](err); !ok || !sqldb.OutOfOrder(err) {
			t.Errorf("%s before a commit: %v", name, err)
		}
		if err := add(t.Context(), db, "x", 1); !sqldb.OutOfOrder(err) {
			t.Errorf("%s before a transaction: %v", name, err)
		}
		if err := db.View(t.Context(), func(*sqldb.Tx) error { return nil }); !sqldb.OutOfOrder(err) {
			t.Errorf("%s before a view: %v", name, err)
		}
		if err := db.Ready(t.Context()); err == nil {
			t.Errorf("%s, and ready", name)
		}
		server.Restart(t)
		if err := db.Ready(t.Context()); err != nil {
			t.Errorf("%s and started: %v", name, err)
		}
	}
	if n := count(t, db); n != 2 {
		t.Errorf("%d rows", n)
	}
}

// What a server says is judged by SQLSTATE.
func TestStates(t *testing.T) {
	for code, want := range map[string]bool{
		"08006": true, "53100": true, "57P01": true, "57014": true, "58030": true, "40001": true, "40P01": true, "25P03": true, "55P03": true, "XX001": true,
		"23505": false, "23503": false, "22003": false, "42601": false, "25P02": false, "": false,
	} {
		err := fault.New(fault.Internal, "role", &pgconn.PgError{Code: code})
		if sqldb.OutOfOrder(err) != want || sqldb.IsDuplicate(err) != (code == "23505") {
			t.Errorf("%q: out of order %v, duplicate %v", code, sqldb.OutOfOrder(err), sqldb.IsDuplicate(err))
		}
	}
	if sqldb.OutOfOrder(&sqldb.CommitError{Err: pgx.ErrTxCommitRollback}) {
		t.Error("a transaction that the server rolled back has an outcome")
	}
}

// A password is in no error and no name.
func TestPasswordsStayInside(t *testing.T) {
	for _, where := range []string{
		"postgres://maru:hunter2@127.0.0.1:1/db?search_path=wallet_maru", "postgres://maru@127.0.0.1:1/db?password=hunter2",
		"postgres://maru:hunter2@127.0.0.1:port/db", "postgresql://maru:hunter2@127.0.0.1:1/db?search_path=a,b", "postgres://maru:hunter2%zz@127.0.0.1:1/db",
	} {
		_, err := sqldb.OpenAsIs(where)
		_, failed := sqldb.Applied(context.Background(), where)
		all := errors.Join(err, failed, sqldb.CheckURL(where), sqldb.Drop(context.Background(), where))
		if err == nil || failed == nil || strings.Contains(all.Error(), "hunter2") || strings.Contains(sqldb.Name(where), "hunter2") {
			t.Errorf("%v, %s", all, sqldb.Name(where))
		}
	}
	if name := sqldb.Name("postgresql://maru:hunter2@db.example:5433/emoney?search_path=wallet&sslmode=verify-full"); name != "postgres://maru@db.example:5433/emoney?search_path=wallet" {
		t.Error(name)
	}
}

// A role's tables and its sessions are two files or two schemas, and those of another role are others.
func TestPlaces(t *testing.T) {
	for _, tt := range []struct {
		where, role    string
		which          []string
		main, sessions string
	}{
		{"/var/lib/hub", "hub", nil, "/var/lib/hub/money.db", "/var/lib/hub/web.db"},
		{"postgres://maru@db/emoney?sslmode=require", "hub", nil, "postgres://maru@db/emoney?search_path=hub&sslmode=require", "postgres://maru@db/emoney?search_path=hub_web&sslmode=require"},
		{"postgres://db/emoney?search_path=wallet_maru", "wallet", nil, "postgres://db/emoney?search_path=wallet_maru", "postgres://db/emoney?search_path=wallet_maru_web"},
		{"postgresql://db/emoney", "bank", []string{"0149"}, "postgresql://db/emoney?search_path=bank_0149", "postgresql://db/emoney?search_path=bank_0149_web"},
	} {
		main, sessions := sqldb.Places(tt.where, "money.db", tt.role, tt.which...)
		if main != tt.main || sessions != tt.sessions || sqldb.IsPostgres(tt.where) && sqldb.CheckURL(tt.where) != nil {
			t.Errorf("%s: %s, %s", tt.where, main, sessions)
		}
	}
}

// What is dropped is one schema, and it can be made anew.
func TestDrop(t *testing.T) {
	one, other := pgtest.URL(t), pgtest.URL(t)
	kept := open(t, other, words)
	if err := add(t.Context(), kept, "a", 1); err != nil {
		t.Fatal(err)
	}
	if err := open(t, one, words).Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := sqldb.Drop(t.Context(), one); err != nil {
			t.Fatal(err)
		}
	}
	if applied, err := sqldb.Applied(t.Context(), one); err != nil || len(applied) != 0 || count(t, kept) != 1 {
		t.Errorf("%q, %v, %d rows of the other", applied, err, count(t, kept))
	}
	if n := count(t, open(t, one, words)); n != 0 {
		t.Errorf("%d rows", n)
	}
}

// A process with more pools than places for connections goes on: nobody keeps one that another waits for.
func TestMorePoolsThanConnections(t *testing.T) {
	where := pgtest.Start(t).URL("words")
	open(t, where, words)
	var wg sync.WaitGroup
	for range 80 {
		wg.Go(func() {
			db, err := sqldb.OpenAsIs(where)
			if err != nil {
				t.Error(err)
				return
			}
			defer db.Close()
			for range 3 {
				var most int
				err := db.View(t.Context(), func(tx *sqldb.Tx) error {
					if _, err := tx.Exec(`SELECT pg_sleep(0.01)`); err != nil {
						return err
					}
					return tx.QueryRow(`SELECT COUNT(*) FROM pg_stat_activity WHERE backend_type = 'client backend'`).Scan(&most)
				})
				if err != nil || most > 60 {
					t.Errorf("%d connections, %v", most, err)
				}
				if err := db.Ready(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

// A text with a zero byte, which no page and no message of ours holds, is malformed input and no trouble of the server.
func TestTextsThatPostgresTakesFromNobody(t *testing.T) {
	db := open(t, pgtest.URL(t), words)
	var n int
	err := sqldb.ReadErr("test", db.Read().QueryRow(`SELECT n FROM words WHERE w = $1`, "a\x00b").Scan(&n))
	if fault.Of(err) != fault.Invalid || sqldb.OutOfOrder(err) {
		t.Errorf("read: %v", err)
	}
	if err := sqldb.WriteErr("test", add(t.Context(), db, "a\x00b", 1)); fault.Of(err) != fault.Invalid {
		t.Errorf("written: %v", err)
	}
}

// Of several hosts the one that takes writes is used, for reading as well; a server that has become a standby is not.
func TestStandbysAreNotUsed(t *testing.T) {
	first, second := pgtest.Start(t), pgtest.Start(t)
	first.Standby(t)
	db := open(t, pgtest.Either(first, second, "words"), words)
	if err := add(t.Context(), db, "a", 1); err != nil || count(t, db) != 1 {
		t.Errorf("%v, %d rows", err, count(t, db))
	}
	second.Standby(t)
	if err := add(t.Context(), db, "b", 1); !sqldb.OutOfOrder(err) {
		t.Errorf("two standbys: %v", err)
	}
	if _, err := sqldb.OpenAsIs(first.URL("words")); fault.Of(err) != fault.Unavailable {
		t.Errorf("a standby was opened: %v", err)
	}
}
