package sqldb_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/store/sqldb"
)

// A copy made while somebody writes holds what was committed before it, nothing half, and is private.
func TestBackup(t *testing.T) {
	from := oddPath(t)
	db := open(t, from, words)
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	before := 50
	for n := range before {
		if err := add(t.Context(), db, fmt.Sprint("word ", n), 1); err != nil {
			t.Fatal(err)
		}
	}
	wg.Go(func() {
		for n := before; ctx.Err() == nil; n++ {
			err := db.Write(t.Context(), func(tx *sqldb.Tx) error {
				for _, w := range []string{"left", "right"} { // always both
					if _, err := tx.Exec(`INSERT INTO words (w, n) VALUES ($1, 1)`, fmt.Sprint(w, n)); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				t.Error(err)
				return
			}
		}
	})
	to := filepath.Join(t.TempDir(), "copy ?.db")
	if err := sqldb.Backup(t.Context(), from, to); err != nil {
		t.Fatal(err)
	}
	stop()
	wg.Wait()
	if n := count(t, open(t, to, words)); n < before || n%2 != 0 {
		t.Errorf("%d rows in the copy", n)
	}
	info, err := os.Stat(to)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	for name, err := range map[string]error{
		"onto a file":    sqldb.Backup(t.Context(), from, to),
		"of a server":    sqldb.Backup(t.Context(), "postgres://u:secret@h/d", filepath.Join(t.TempDir(), "x")),
		"of nothing":     sqldb.Backup(t.Context(), from+" not there", filepath.Join(t.TempDir(), "x")),
		"into no folder": sqldb.Backup(t.Context(), from, filepath.Join(t.TempDir(), "no", "x")),
	} {
		if err == nil || fault.Of(err) != fault.Invalid && fault.Of(err) != fault.Unavailable {
			t.Errorf("%s: %v", name, err)
		}
	}
}
