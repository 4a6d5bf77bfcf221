package program

import (
	"os"

	"golang.org/x/sys/unix"
)

// hush keeps a terminal from showing what is typed, until show is called. ok is false where f is no terminal.
func hush(f *os.File) (show func(), ok bool) {
	fd := int(f.Fd())
	before, err := unix.IoctlGetTermios(fd, getTermios)
	if err != nil {
		return func() {}, false
	}
	silent := *before
	silent.Lflag &^= unix.ECHO
	if err := unix.IoctlSetTermios(fd, setTermios, &silent); err != nil {
		return func() {}, false
	}
	return func() { _ = unix.IoctlSetTermios(fd, setTermios, before) }, true
}
