// Package faultfs is the disk under SQLite as it is on a bad day: it loses power, is full, read-only, or fails.
//
// It stands between SQLite and the operating system, for the folders it was told to watch, and keeps a record of
// every write, truncation, sync, new and deleted file. From the record it makes what the disk may hold after power
// was lost at any moment: what was synced is there; of what was written since, each piece is there, is not, or is
// torn at a sector. Killing a process shows nothing of that, for the operating system still has all it wrote. It is
// for tests alone.
package faultfs

import (
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"

	sqlite3 "modernc.org/sqlite/lib"
)

// FS is one watched folder and the record of what happened in it. The numbers of its operations count from 0.
type FS struct {
	dir string

	mu     sync.Mutex
	log    []op
	before map[string]*file // what lay in the folder before the record began, by name
	names  map[string]*file // what lies in the folder, by name
	fault  Fault
	from   int        // the fault begins at this operation
	flaky  *rand.Rand // nil: no chance failures
	oneIn  int
	failed int    // operations that met a fault
	sync   string // if set, what SQLite hears instead of the argument of PRAGMA synchronous
}

// file is what a name stands for; deleted and made again it is another file.
type file struct {
	base    []byte // what was in it before the record began
	written int    // number of the last write, plus one
	synced  int    // number of operations there were at the last sync
	named   bool   // its name has been on the disk since the folder was last synced
}

// sectorSize is how many bytes a disk writes whole or not at all.
const sectorSize = 512

// kind is the kind of an operation.
type kind uint8

const (
	write     kind = iota + 1 // data at off
	truncate                  // to off bytes
	synced                    // the file
	unsynced                  // a sync failed: the system gives up what it had not yet written
	create                    // name, for file
	remove                    // name
	syncedDir                 // the folder
	nothing                   // counted, and without effect
)

// op is one operation of the record.
type op struct {
	kind kind
	file *file
	name string
	off  int64
	data []byte
}

// Fault is what is wrong with a disk.
type Fault uint8

// The faults of Break.
const (
	DiskFull Fault = iota + 1 // every write is cut short and refused; nothing is overwritten either, as where files are copied on write
	ReadOnly                  // nothing can be written, and what is opened now is opened for reading
	IOError                   // nothing can be read, written, synced or opened
)

// New watches a folder from now on, in this process and for ever: SQLite files in it should be opened after that.
func New(dir string) (*FS, error) {
	if err := register(); err != nil {
		return nil, err
	}
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return nil, err
	}
	fs := &FS{dir: dir, before: map[string]*file{}, names: map[string]*file{}}
	watched.add(fs)
	return fs, nil
}

// Now is how many operations there were.
func (fs *FS) Now() int {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	return len(fs.log)
}

// Since says how many writes there were from operation n on, and whether all that was ever written, and the names of
// the files it was written to, have been synced: of the file with a name alone, or of all where it is "".
func (fs *FS) Since(n int, name string) (writes int, durable bool) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	counts := func(f *file) bool { return name == "" || f == fs.names[name] }
	for _, o := range fs.log[n:] {
		if o.kind == write && counts(o.file) {
			writes++
		}
	}
	for _, f := range fs.names {
		if counts(f) && (f.written > f.synced || !f.named) {
			return writes, false
		}
	}
	return writes, true
}

// Writes are the numbers of the operations that wrote to the file of a name.
func (fs *FS) Writes(name string) (numbers []int) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	f := fs.names[name]
	for n, o := range fs.log {
		if o.kind == write && o.file == f {
			numbers = append(numbers, n)
		}
	}
	return numbers
}

// Break makes the disk fail from operation n on, until Mend.
func (fs *FS) Break(f Fault, n int) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.fault, fs.from = f, n
}

// Flaky makes one in so many reads, writes, syncs and openings fail by chance, until Mend.
func (fs *FS) Flaky(rng *rand.Rand, oneIn int) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.flaky, fs.oneIn = rng, oneIn
}

// Mend ends all faults.
func (fs *FS) Mend() {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.fault, fs.flaky = 0, nil
}

// Failed is how many operations met a fault.
func (fs *FS) Failed() int {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	return fs.failed
}

// Synchronous makes SQLite take every PRAGMA synchronous for one of this level: "0" is OFF, "1" NORMAL. It is for
// showing what a test would find.
func (fs *FS) Synchronous(level string) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.sync = level
}

// broken says what is wrong with the disk for an operation that is about to be done; fs.mu is held.
func (fs *FS) broken() Fault {
	switch {
	case fs.fault != 0 && len(fs.log) >= fs.from:
		fs.failed++
		return fs.fault
	case fs.flaky != nil && fs.flaky.IntN(fs.oneIn) == 0:
		fs.failed++
		return IOError
	}
	return 0
}

// now is broken for who does not hold fs.mu.
func (fs *FS) now() Fault {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	return fs.broken()
}

// wrote records a write and says how much of it is to be done, and with what result code.
func (fs *FS) wrote(f *file, off int64, data []byte) (n int, rc int32) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	n = len(data)
	switch fs.broken() {
	case DiskFull:
		n, rc = n/2, sqlite3.SQLITE_FULL
	case ReadOnly:
		n, rc = 0, sqlite3.SQLITE_IOERR_WRITE
	case IOError:
		n, rc = n/2, sqlite3.SQLITE_IOERR_WRITE
	}
	fs.log = append(fs.log, op{kind: write, file: f, off: off, data: append([]byte(nil), data[:n]...)})
	f.written = len(fs.log)
	return n, rc
}

// truncated records a truncation.
func (fs *FS) truncated(f *file, size int64) (rc int32) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if b := fs.broken(); b == ReadOnly || b == IOError {
		fs.log = append(fs.log, op{kind: nothing})
		return sqlite3.SQLITE_IOERR_TRUNCATE
	}
	fs.log = append(fs.log, op{kind: truncate, file: f, off: size})
	f.written = len(fs.log)
	return sqlite3.SQLITE_OK
}

// syncs records a sync of a file and, where dir is set, of the folder.
func (fs *FS) syncs(f *file, dir bool) (rc int32) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if fs.broken() == IOError {
		fs.log = append(fs.log, op{kind: unsynced, file: f})
		return sqlite3.SQLITE_IOERR_FSYNC
	}
	fs.log = append(fs.log, op{kind: synced, file: f})
	f.synced = len(fs.log)
	if dir {
		fs.syncDir()
	}
	return sqlite3.SQLITE_OK
}

// syncDir records a sync of the folder; fs.mu is held.
func (fs *FS) syncDir() {
	fs.log = append(fs.log, op{kind: syncedDir})
	for _, f := range fs.names {
		f.named = true
	}
}

// opened gives the file of a name. content reads what is in it where the record does not know it yet: a file that
// holds something lay there before the record began, an empty one has just been made.
func (fs *FS) opened(name string, content func() ([]byte, int32)) (*file, int32) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if f, ok := fs.names[name]; ok {
		return f, sqlite3.SQLITE_OK
	}
	base, rc := content()
	if rc != sqlite3.SQLITE_OK {
		return nil, rc
	}
	f := &file{base: base, named: len(base) > 0}
	fs.names[name] = f
	if f.named {
		fs.before[name] = f
	} else {
		fs.log = append(fs.log, op{kind: create, file: f, name: name})
	}
	return f, sqlite3.SQLITE_OK
}

// removed records that a file is deleted and, where dir is set, that the folder is synced after it.
func (fs *FS) removed(name string, dir bool) (rc int32) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if b := fs.broken(); b == ReadOnly || b == IOError {
		fs.log = append(fs.log, op{kind: nothing})
		return sqlite3.SQLITE_IOERR_DELETE
	}
	if _, ok := fs.names[name]; ok {
		fs.log = append(fs.log, op{kind: remove, name: name})
		delete(fs.names, name)
	}
	if dir {
		fs.syncDir()
	}
	return sqlite3.SQLITE_OK
}

// heard is the level that SQLite hears in a PRAGMA synchronous, "" where it hears what was said.
func (fs *FS) heard() string {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	return fs.sync
}

// folders are the watched ones. SQLite's own list of file systems is one for the process, and so is this.
type folders struct {
	mu  sync.RWMutex
	all []*FS
}

var watched folders

func (w *folders) add(fs *FS) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all = append(w.all, fs)
}

// find gives the watched folder that a path lies in, and its name there; the newest where there are several.
func (w *folders) find(path string) (*FS, string) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	for i := len(w.all) - 1; i >= 0; i-- {
		if name, ok := strings.CutPrefix(path, w.all[i].dir+string(filepath.Separator)); ok {
			return w.all[i], name
		}
	}
	return nil, ""
}
