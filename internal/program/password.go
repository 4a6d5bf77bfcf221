package program

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/bcrypt"
)

// The bounds of a staff member's password. bcrypt sees no more than 72 bytes.
const (
	minPassword  = 12
	maxPassword  = 72
	passwordCost = 12
)

// hashPassword reads a password and prints its hash for the configuration; the password itself is printed nowhere.
func hashPassword(ctx context.Context, p Process) error {
	password, err := readPassword(ctx, p)
	if err != nil {
		return fmt.Errorf("password hash: %w", err)
	}
	if n := utf8.RuneCountInString(password); n < minPassword || len(password) > maxPassword {
		return fmt.Errorf("password hash: a password has at least %d letters and at most %d bytes", minPassword, maxPassword)
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(password), passwordCost)
	if err != nil {
		return fmt.Errorf("password hash: %w", err)
	}
	_, err = fmt.Fprintln(p.Out, string(hash))
	return err
}

// readPassword takes a line of standard input. At a terminal it asks for it, twice, and shows nothing of what is
// typed: nobody sees a slip either.
func readPassword(ctx context.Context, p Process) (string, error) {
	in := bufio.NewReader(io.LimitReader(p.In, 1<<10))
	show, hidden := hush(p.In)
	defer show()
	if !hidden {
		return line(ctx, in)
	}
	var typed [2]string
	for i, ask := range []string{"Password: ", "Again: "} {
		fmt.Fprint(p.Err, ask)
		var err error
		typed[i], err = line(ctx, in)
		fmt.Fprintln(p.Err)
		if err != nil {
			return "", err
		}
	}
	if typed[0] != typed[1] {
		return "", errors.New("the two differ")
	}
	return typed[0], nil
}

// line reads one line, or nothing any more where ctx ends first: a person at the terminal pressed Ctrl-C.
func line(ctx context.Context, in *bufio.Reader) (string, error) {
	type read struct {
		text string
		err  error
	}
	got := make(chan read, 1)
	go func() {
		text, err := in.ReadString('\n')
		got <- read{text, err}
	}()
	select {
	case <-ctx.Done():
		return "", ctx.Err()
	case r := <-got:
		if errors.Is(r.err, io.EOF) {
			r.err = nil
		}
		return strings.TrimRight(r.text, "\r\n"), r.err
	}
}
