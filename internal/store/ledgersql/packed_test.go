package ledgersql

import (
	"bytes"
	"slices"
	"testing"
)

// Whatever stands in a column of entries, reading it gives a growing list or an error, and the list writes the same bytes
// wherever they are the shortest.
func FuzzUnpacked(f *testing.F) {
	f.Add(packed([]int64{1, 2, 300, 70_000}))
	f.Add([]byte{0})
	f.Fuzz(func(t *testing.T, b []byte) {
		list, err := unpacked(b)
		if err != nil {
			return
		}
		if !slices.IsSorted(list) || len(slices.Compact(slices.Clone(list))) != len(list) {
			t.Errorf("%v reads as %v", b, list)
		}
		again, err := unpacked(packed(list))
		if err != nil || !slices.Equal(again, list) || len(packed(list)) > len(b) || len(packed(list)) == len(b) && !bytes.Equal(packed(list), b) {
			t.Errorf("%v reads as %v, and that as %v, %v", b, list, again, err)
		}
	})
}
