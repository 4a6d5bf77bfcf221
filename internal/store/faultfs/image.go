package faultfs

import (
	"maps"
	"math/rand/v2"
	"slices"
)

// Image is what the folder may hold, file by name, where power is lost after the first n operations: one of very
// many possible answers, chosen by rng. What was written to a file before its last sync is there. Each later write
// is there, is not, or is there in some of its sectors; a name made or removed since the folder was last synced is
// there or not. What SQLite shares between processes in memory (-shm) is gone.
func (fs *FS) Image(n int, rng *rand.Rand) map[string][]byte {
	fs.mu.Lock()
	log := fs.log[:n:n] // only ever appended to
	d := &disk{rng: rng, inodes: map[*file]*inode{}, names: maps.Clone(fs.before)}
	fs.mu.Unlock()
	d.mood()
	for _, o := range log {
		d.do(o)
	}
	return d.crash()
}

// disk follows a record.
type disk struct {
	rng     *rand.Rand
	keep    int // of 100 writes that were not synced
	tear    int // of 100 of those that are kept
	inodes  map[*file]*inode
	names   map[string]*file // as synced
	renamed []op             // creations and removals since
}

// inode is a file's content as synced, and what was done to it since.
type inode struct {
	content []byte
	since   []op
}

// mood is how much of what was not synced survives: nothing, all, or anything between.
func (d *disk) mood() {
	d.keep = []int{0, 100, d.rng.IntN(101), d.rng.IntN(101)}[d.rng.IntN(4)]
	d.tear = []int{0, d.rng.IntN(101)}[d.rng.IntN(2)]
}

func (d *disk) inode(f *file) *inode {
	i, ok := d.inodes[f]
	if !ok {
		i = &inode{content: slices.Clone(f.base)}
		d.inodes[f] = i
	}
	return i
}

func (d *disk) do(o op) {
	switch o.kind {
	case write, truncate:
		i := d.inode(o.file)
		i.since = append(i.since, o)
	case synced:
		i := d.inode(o.file)
		for _, o := range i.since {
			i.apply(o)
		}
		i.since = nil
	case unsynced:
		d.settle(d.inode(o.file))
	case create, remove:
		d.renamed = append(d.renamed, o)
	case syncedDir:
		for _, o := range d.renamed {
			d.rename(o)
		}
		d.renamed = nil
	}
}

// settle decides what becomes of what was not synced.
func (d *disk) settle(i *inode) {
	for _, o := range i.since {
		switch {
		case d.rng.IntN(100) >= d.keep:
		case o.kind == write && d.rng.IntN(100) < d.tear:
			d.torn(i, o)
		default:
			i.apply(o)
		}
	}
	i.since = nil
}

// torn applies a write in some of its sectors.
func (d *disk) torn(i *inode, o op) {
	for from := 0; from < len(o.data); {
		to := min(len(o.data), from+sectorSize-int((o.off+int64(from))%sectorSize))
		if d.rng.IntN(2) == 0 {
			i.apply(op{kind: write, off: o.off + int64(from), data: o.data[from:to]})
		}
		from = to
	}
}

func (i *inode) apply(o op) {
	end := o.off
	if o.kind == write {
		end += int64(len(o.data))
	}
	if grow := end - int64(len(i.content)); grow > 0 {
		i.content = append(i.content, make([]byte, grow)...)
	}
	if o.kind == truncate {
		i.content = i.content[:end]
		return
	}
	copy(i.content[o.off:], o.data)
}

func (d *disk) rename(o op) {
	if o.kind == create {
		d.names[o.name] = o.file
	} else {
		delete(d.names, o.name)
	}
}

// crash decides what becomes of everything that was not synced.
func (d *disk) crash() map[string][]byte {
	byName := map[string][]op{}
	for _, o := range d.renamed {
		byName[o.name] = append(byName[o.name], o)
	}
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		for _, o := range byName[name][:d.rng.IntN(len(byName[name])+1)] {
			d.rename(o)
		}
	}
	image := map[string][]byte{}
	for _, name := range slices.Sorted(maps.Keys(d.names)) {
		i := d.inode(d.names[name])
		d.settle(i)
		image[name] = i.content
	}
	return image
}
