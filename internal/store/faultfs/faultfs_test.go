package faultfs

import (
	"bytes"
	"database/sql"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	_ "modernc.org/sqlite" // the driver
)

// connect opens one connection, with the settings of our stores.
func connect(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)")
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func exec(t *testing.T, db *sql.DB, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil {
			t.Fatal(s, err)
		}
	}
}

// What the record says is what the system's files hold: after every commit, whatever chance says, for all is synced.
func TestRecordIsWhatFilesHold(t *testing.T) {
	dir := t.TempDir()
	fs, err := New(dir)
	if err != nil {
		t.Fatal(err)
	}
	db := connect(t, filepath.Join(dir, "x.db"))
	for i, statement := range []string{
		`CREATE TABLE x (n INTEGER PRIMARY KEY, word TEXT)`,
		`INSERT INTO x (word) WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 9000) SELECT hex(randomblob(100)) FROM c`,
		`DELETE FROM x WHERE n % 3 > 0`,
		`PRAGMA wal_checkpoint(TRUNCATE); UPDATE x SET word = 'b'`,
		`VACUUM`,
		`PRAGMA wal_checkpoint(RESTART); UPDATE x SET word = 'c' WHERE n < 100`,
	} {
		before := fs.Now()
		exec(t, db, statement)
		if writes, durable := fs.Since(before, ""); writes == 0 || !durable {
			t.Errorf("%s: %d writes, durable %v", statement, writes, durable)
		}
		image := fs.Image(fs.Now(), rand.New(rand.NewPCG(uint64(i), 0)))
		for _, name := range []string{"x.db", "x.db-wal"} {
			real, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil || !bytes.Equal(real, image[name]) {
				t.Errorf("%s: %s holds %d bytes, the record says %d, %v", statement, name, len(real), len(image[name]), err)
			}
		}
		if len(image) != 2 {
			t.Errorf("%d files", len(image))
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	for try, seen := uint64(0), 0; seen != 3; try++ { // the log is deleted, but the folder was not synced since
		if _, there := fs.Image(fs.Now(), rand.New(rand.NewPCG(try, 0)))["x.db-wal"]; there {
			seen |= 1
		} else {
			seen |= 2
		}
		if try == 100 {
			t.Fatal("a deleted file is always there, or never")
		}
	}
}

// A file that was there before the record began is part of it.
func TestFilesFromBefore(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.db")
	db := connect(t, path)
	exec(t, db, `CREATE TABLE x (n INTEGER PRIMARY KEY)`)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	fs, err := New(dir)
	if err != nil {
		t.Fatal(err)
	}
	exec(t, connect(t, path), `INSERT INTO x (n) VALUES (1)`)
	if got := fs.Image(0, rand.New(rand.NewPCG(0, 0)))["x.db"]; !bytes.Equal(got, before) {
		t.Errorf("%d bytes of %d", len(got), len(before))
	}
}

// possible are all images of a record that chance gives in many tries, for one file.
func possible(log []op, name string) []string {
	seen := map[string]bool{}
	for seed := range uint64(2000) {
		d := &disk{rng: rand.New(rand.NewPCG(seed, 0)), inodes: map[*file]*inode{}, names: map[string]*file{}}
		d.mood()
		for _, o := range log {
			d.do(o)
		}
		content, there := d.crash()[name]
		if !there {
			seen["gone"] = true
			continue
		}
		var short strings.Builder // a letter for each sector
		for i := 0; i < len(content); i += sectorSize {
			short.WriteByte(content[i])
		}
		seen[short.String()] = true
	}
	var out []string
	for s := range seen {
		out = append(out, strings.ReplaceAll(s, "\x00", "-"))
	}
	return out
}

func TestImages(t *testing.T) {
	f, other := &file{}, &file{}
	sectors := func(s string) (b []byte) {
		for _, c := range s {
			b = append(b, bytes.Repeat([]byte(string(c)), sectorSize)...)
		}
		return b
	}
	put := func(at int64, s string) op { return op{kind: write, file: f, off: at * sectorSize, data: sectors(s)} }
	made := []op{{kind: create, file: f, name: "f"}, {kind: syncedDir}}
	sync := op{kind: synced, file: f}
	less := func(a, b string) bool { return a < b }
	for _, tt := range []struct {
		name string
		log  []op
		want []string
	}{
		{"synced", []op{put(0, "ab"), sync}, []string{"ab"}},
		{"not synced", []op{put(0, "ab")}, []string{"", "a", "-b", "ab"}},
		{"written over", []op{put(0, "ab"), sync, put(0, "cd")}, []string{"ab", "cb", "ad", "cd"}},
		{"two writes", []op{put(0, "a"), put(1, "b")}, []string{"", "a", "-b", "ab"}},
		{"a sync of another file", []op{put(0, "a"), {kind: synced, file: other}}, []string{"", "a"}},
		{"truncated", []op{put(0, "abc"), sync, {kind: truncate, file: f, off: sectorSize}}, []string{"abc", "a"}},
		{"truncated and synced", []op{put(0, "abc"), {kind: truncate, file: f, off: sectorSize}, sync}, []string{"a"}},
		{"a sync that failed is not made good by the next", []op{put(0, "a"), {kind: unsynced, file: f}, sync}, []string{"", "a"}},
		{"but by writing again", []op{put(0, "a"), {kind: unsynced, file: f}, put(0, "b"), sync}, []string{"b"}},
		{"deleted", []op{put(0, "a"), sync, {kind: remove, name: "f"}}, []string{"a", "gone"}},
		{"deleted and synced", []op{put(0, "a"), sync, {kind: remove, name: "f"}, {kind: syncedDir}}, []string{"gone"}},
		{"counted only", []op{put(0, "a"), sync, {kind: nothing}}, []string{"a"}},
	} {
		if diff := cmp.Diff(tt.want, possible(append(made, tt.log...), "f"), cmpopts.SortSlices(less)); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
	if diff := cmp.Diff([]string{"gone", "a"}, possible([]op{made[0], put(0, "a"), sync}, "f"), cmpopts.SortSlices(less)); diff != "" {
		t.Errorf("made, and the folder not synced: %s", diff)
	}
}
