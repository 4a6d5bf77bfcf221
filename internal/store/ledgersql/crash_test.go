package ledgersql_test

import (
	"path/filepath"
	"testing"

	"github.com/kozamori/kozamori/internal/store/storetest"
)

// A process that is killed in the middle of its commits, again and again, loses nothing that it acknowledged.
func TestCrash(t *testing.T) {
	storetest.KillNine(t, filepath.Join(t.TempDir(), "books.db"), func(t testing.TB, place string) storetest.Books {
		return openAt(t, place)
	})
}
