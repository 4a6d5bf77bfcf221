package faultfs

import (
	"fmt"
	"sync"
	"unsafe"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// The C side: a file system of SQLite (sqlite3_vfs) that becomes the process's default and hands everything on to
// the one of the operating system. A file of it is the header below, and behind it the file of the system's.

// header is what SQLite sees of one of our files.
type header struct {
	methods uintptr
	handle  uintptr // 0 for a file outside of every watched folder
}

const headerSize = unsafe.Sizeof(header{})

// handle is an open file of a watched folder.
type handle struct {
	fs       *FS
	file     *file
	dirSync  bool // its first sync syncs the folder too: SQLite's rule for new journals and write-ahead logs
	readOnly bool
	shared   bool // has shared memory
}

// handles finds the handle that a header names.
var handles = struct {
	sync.RWMutex
	last uintptr
	open map[uintptr]*handle
}{open: map[uintptr]*handle{}}

// at sees C memory as a T.
func at[T any](p uintptr) *T { return *(**T)(unsafe.Pointer(&p)) }

// pointer is a Go function as C has it: f must be a declared function, so that it stays where it is.
func pointer[F any](f F) uintptr { return *(*uintptr)(unsafe.Pointer(&f)) }

// call is a C function as Go calls it.
func call[F any](p uintptr) F { return *(*F)(unsafe.Pointer(&p)) }

var (
	osVFS   uintptr // the operating system's
	methods uintptr // sqlite3_io_methods of our files
)

// register makes ours the default, once.
var register = sync.OnceValue(func() error {
	tls := libc.NewTLS()
	defer tls.Close()
	osVFS = sqlite3.Xsqlite3_vfs_find(tls, 0)
	own := libc.Xcalloc(tls, 1, libc.Tsize_t(unsafe.Sizeof(sqlite3.Tsqlite3_vfs{})))
	methods = libc.Xcalloc(tls, 1, libc.Tsize_t(unsafe.Sizeof(sqlite3.Tsqlite3_io_methods{})))
	name, err := libc.CString("faultfs")
	if err != nil || osVFS == 0 || own == 0 || methods == 0 {
		return fmt.Errorf("faultfs: no file system to stand before, or no memory: %w", err)
	}
	v := at[sqlite3.Tsqlite3_vfs](own)
	*v = *at[sqlite3.Tsqlite3_vfs](osVFS)
	v.FpNext, v.FzName = 0, name
	v.FszOsFile += int32(headerSize)
	v.FxOpen, v.FxDelete = pointer(xOpen), pointer(xDelete)
	*at[sqlite3.Tsqlite3_io_methods](methods) = sqlite3.Tsqlite3_io_methods{
		FiVersion: 2, // shared memory, and no mapping of files past us
		FxClose:   pointer(xClose), FxRead: pointer(xRead), FxWrite: pointer(xWrite), FxTruncate: pointer(xTruncate),
		FxSync: pointer(xSync), FxFileSize: pointer(xFileSize), FxLock: pointer(xLock), FxUnlock: pointer(xUnlock),
		FxCheckReservedLock: pointer(xCheckReservedLock), FxFileControl: pointer(xFileControl),
		FxSectorSize: pointer(xSectorSize), FxDeviceCharacteristics: pointer(xDeviceCharacteristics),
		FxShmMap: pointer(xShmMap), FxShmLock: pointer(xShmLock), FxShmBarrier: pointer(xShmBarrier), FxShmUnmap: pointer(xShmUnmap),
	}
	if rc := sqlite3.Xsqlite3_vfs_register(tls, own, 1); rc != sqlite3.SQLITE_OK {
		return fmt.Errorf("faultfs: sqlite3_vfs_register: %d", rc)
	}
	return nil
})

// of gives the handle of a file of ours (nil where it is not watched), and the system's file and methods.
func of(p uintptr) (*handle, uintptr, *sqlite3.Tsqlite3_io_methods) {
	var h *handle
	if n := at[header](p).handle; n != 0 {
		handles.RLock()
		h = handles.open[n]
		handles.RUnlock()
	}
	inner := p + headerSize
	return h, inner, at[sqlite3.Tsqlite3_io_methods](*at[uintptr](inner))
}

func xOpen(tls *libc.TLS, _, path, p uintptr, flags int32, out uintptr) int32 {
	*at[header](p) = header{} // without methods SQLite does not close what failed to open
	inner := p + headerSize
	var fs *FS
	var name string
	if path != 0 {
		fs, name = watched.find(libc.GoString(path))
	}
	h := &handle{fs: fs}
	if fs != nil {
		switch fs.now() {
		case ReadOnly:
			flags = flags&^(sqlite3.SQLITE_OPEN_READWRITE|sqlite3.SQLITE_OPEN_CREATE) | sqlite3.SQLITE_OPEN_READONLY
			h.readOnly = true
		case IOError:
			return sqlite3.SQLITE_CANTOPEN
		}
	}
	open := call[func(*libc.TLS, uintptr, uintptr, uintptr, int32, uintptr) int32](at[sqlite3.Tsqlite3_vfs](osVFS).FxOpen)
	if rc := open(tls, osVFS, path, inner, flags, out); rc != sqlite3.SQLITE_OK {
		return rc
	}
	if fs == nil {
		at[header](p).methods = methods
		return sqlite3.SQLITE_OK
	}
	var rc int32
	h.file, rc = fs.opened(name, func() ([]byte, int32) { return content(tls, inner) })
	if rc != sqlite3.SQLITE_OK {
		m := at[sqlite3.Tsqlite3_io_methods](*at[uintptr](inner))
		call[func(*libc.TLS, uintptr) int32](m.FxClose)(tls, inner)
		return rc
	}
	const journals = sqlite3.SQLITE_OPEN_WAL | sqlite3.SQLITE_OPEN_MAIN_JOURNAL | sqlite3.SQLITE_OPEN_SUPER_JOURNAL
	h.dirSync = flags&sqlite3.SQLITE_OPEN_CREATE != 0 && flags&journals != 0
	handles.Lock()
	handles.last++
	handles.open[handles.last] = h
	*at[header](p) = header{methods: methods, handle: handles.last}
	handles.Unlock()
	return sqlite3.SQLITE_OK
}

// content reads a file of the system's through its own handle: another descriptor, closed, would take SQLite's
// locks with it.
func content(tls *libc.TLS, inner uintptr) ([]byte, int32) {
	m := at[sqlite3.Tsqlite3_io_methods](*at[uintptr](inner))
	buf := tls.Alloc(8)
	defer tls.Free(8)
	if rc := call[func(*libc.TLS, uintptr, uintptr) int32](m.FxFileSize)(tls, inner, buf); rc != sqlite3.SQLITE_OK {
		return nil, rc
	}
	size := *at[int64](buf)
	if size == 0 {
		return nil, sqlite3.SQLITE_OK
	}
	mem := libc.Xmalloc(tls, libc.Tsize_t(size))
	defer libc.Xfree(tls, mem)
	rc := call[func(*libc.TLS, uintptr, uintptr, int32, int64) int32](m.FxRead)(tls, inner, mem, int32(size), 0)
	return append([]byte(nil), unsafe.Slice(at[byte](mem), size)...), rc
}

func xDelete(tls *libc.TLS, _, path uintptr, dirSync int32) int32 {
	if fs, name := watched.find(libc.GoString(path)); fs != nil {
		if rc := fs.removed(name, dirSync&1 != 0); rc != sqlite3.SQLITE_OK {
			return rc
		}
	}
	return call[func(*libc.TLS, uintptr, uintptr, int32) int32](at[sqlite3.Tsqlite3_vfs](osVFS).FxDelete)(tls, osVFS, path, dirSync)
}

func xClose(tls *libc.TLS, p uintptr) int32 {
	_, inner, m := of(p)
	handles.Lock()
	delete(handles.open, at[header](p).handle)
	handles.Unlock()
	return call[func(*libc.TLS, uintptr) int32](m.FxClose)(tls, inner)
}

func xRead(tls *libc.TLS, p, buf uintptr, n int32, off int64) int32 {
	h, inner, m := of(p)
	if h != nil && h.fs.now() == IOError {
		return sqlite3.SQLITE_IOERR_READ
	}
	return call[func(*libc.TLS, uintptr, uintptr, int32, int64) int32](m.FxRead)(tls, inner, buf, n, off)
}

func xWrite(tls *libc.TLS, p, buf uintptr, n int32, off int64) int32 {
	h, inner, m := of(p)
	fails := int32(sqlite3.SQLITE_OK)
	if h != nil {
		var part int
		part, fails = h.fs.wrote(h.file, off, unsafe.Slice(at[byte](buf), n))
		n = int32(part)
	}
	if rc := call[func(*libc.TLS, uintptr, uintptr, int32, int64) int32](m.FxWrite)(tls, inner, buf, n, off); rc != sqlite3.SQLITE_OK {
		return rc
	}
	return fails
}

func xTruncate(tls *libc.TLS, p uintptr, size int64) int32 {
	h, inner, m := of(p)
	if h != nil {
		if rc := h.fs.truncated(h.file, size); rc != sqlite3.SQLITE_OK {
			return rc
		}
	}
	return call[func(*libc.TLS, uintptr, int64) int32](m.FxTruncate)(tls, inner, size)
}

// xSync leaves the system's file unsynced: the record is the disk.
func xSync(tls *libc.TLS, p uintptr, flags int32) int32 {
	h, inner, m := of(p)
	if h == nil {
		return call[func(*libc.TLS, uintptr, int32) int32](m.FxSync)(tls, inner, flags)
	}
	rc := h.fs.syncs(h.file, h.dirSync)
	h.dirSync = h.dirSync && rc != sqlite3.SQLITE_OK
	return rc
}

func xFileSize(tls *libc.TLS, p, size uintptr) int32 {
	_, inner, m := of(p)
	return call[func(*libc.TLS, uintptr, uintptr) int32](m.FxFileSize)(tls, inner, size)
}

func xLock(tls *libc.TLS, p uintptr, level int32) int32 {
	_, inner, m := of(p)
	return call[func(*libc.TLS, uintptr, int32) int32](m.FxLock)(tls, inner, level)
}

func xUnlock(tls *libc.TLS, p uintptr, level int32) int32 {
	_, inner, m := of(p)
	return call[func(*libc.TLS, uintptr, int32) int32](m.FxUnlock)(tls, inner, level)
}

func xCheckReservedLock(tls *libc.TLS, p, out uintptr) int32 {
	_, inner, m := of(p)
	return call[func(*libc.TLS, uintptr, uintptr) int32](m.FxCheckReservedLock)(tls, inner, out)
}

// xFileControl hears every PRAGMA before SQLite obeys it: its name and argument are the second and third of arg.
func xFileControl(tls *libc.TLS, p uintptr, what int32, arg uintptr) int32 {
	h, inner, m := of(p)
	if h != nil && what == sqlite3.SQLITE_FCNTL_PRAGMA {
		words := at[[3]uintptr](arg)
		if level := h.fs.heard(); level != "" && words[2] != 0 && libc.GoString(words[1]) == "synchronous" {
			copy(unsafe.Slice(at[byte](words[2]), 2), level+"\x00")
		}
	}
	return call[func(*libc.TLS, uintptr, int32, uintptr) int32](m.FxFileControl)(tls, inner, what, arg)
}

func xSectorSize(tls *libc.TLS, p uintptr) int32 {
	_, inner, m := of(p)
	return call[func(*libc.TLS, uintptr) int32](m.FxSectorSize)(tls, inner)
}

func xDeviceCharacteristics(tls *libc.TLS, p uintptr) int32 {
	_, inner, m := of(p)
	return call[func(*libc.TLS, uintptr) int32](m.FxDeviceCharacteristics)(tls, inner)
}

func xShmMap(tls *libc.TLS, p uintptr, region, size, extend int32, out uintptr) int32 {
	h, inner, m := of(p)
	if h != nil {
		switch broken := h.fs.now(); {
		case h.readOnly && !shares(h.file):
			return sqlite3.SQLITE_CANTOPEN // the -shm file would have to be made
		case broken == DiskFull && extend != 0:
			return sqlite3.SQLITE_IOERR_SHMSIZE
		case broken == IOError:
			return sqlite3.SQLITE_IOERR_SHMMAP
		}
	}
	rc := call[func(*libc.TLS, uintptr, int32, int32, int32, uintptr) int32](m.FxShmMap)(tls, inner, region, size, extend, out)
	if h != nil && rc == sqlite3.SQLITE_OK {
		handles.Lock()
		h.shared = true
		handles.Unlock()
	}
	return rc
}

// shares says whether another connection of this process has the shared memory of a file open: then all have.
func shares(f *file) bool {
	handles.RLock()
	defer handles.RUnlock()
	for _, h := range handles.open {
		if h.file == f && h.shared {
			return true
		}
	}
	return false
}

func xShmLock(tls *libc.TLS, p uintptr, offset, n, flags int32) int32 {
	_, inner, m := of(p)
	return call[func(*libc.TLS, uintptr, int32, int32, int32) int32](m.FxShmLock)(tls, inner, offset, n, flags)
}

func xShmBarrier(tls *libc.TLS, p uintptr) {
	_, inner, m := of(p)
	call[func(*libc.TLS, uintptr)](m.FxShmBarrier)(tls, inner)
}

func xShmUnmap(tls *libc.TLS, p uintptr, remove int32) int32 {
	_, inner, m := of(p)
	return call[func(*libc.TLS, uintptr, int32) int32](m.FxShmUnmap)(tls, inner, remove)
}
