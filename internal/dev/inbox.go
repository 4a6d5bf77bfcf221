package dev

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// Letter is an SMS or e-mail as the sample person's phone shows it.
type Letter struct {
	N       int       `json:"n"`    // counts from 1
	Kind    string    `json:"kind"` // "sms" or "mail"
	From    string    `json:"from"`
	To      string    `json:"to"`
	Subject string    `json:"subject,omitempty"`
	Text    string    `json:"text"`
	At      time.Time `json:"at"`
}

// Inbox keeps what was sent to the sample people, in a file of its own: it holds codes, as phones do.
type Inbox struct {
	mu      sync.Mutex
	file    *os.File
	letters []Letter
	more    chan struct{} // closed at the next letter
}

// OpenInbox reads DIR/inbox/letters.jsonl and goes on writing it.
func OpenInbox(dir string) (*Inbox, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("inbox: %w", err)
	}
	path := filepath.Join(dir, "letters.jsonl")
	b := &Inbox{more: make(chan struct{})}
	if old, err := os.Open(path); err == nil {
		lines := bufio.NewScanner(old)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			var l Letter
			if json.Unmarshal(lines.Bytes(), &l) == nil { // a torn last line of a killed process is dropped
				b.letters = append(b.letters, l)
			}
		}
		if err := errors.Join(lines.Err(), old.Close()); err != nil {
			return nil, fmt.Errorf("inbox: %w", err)
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("inbox: %w", err)
	}
	var err error
	if b.file, err = os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600); err != nil {
		return nil, fmt.Errorf("inbox: %w", err)
	}
	return b, nil
}

// Add takes a letter in.
func (b *Inbox) Add(l Letter) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	l.N = len(b.letters) + 1
	line, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("inbox: %w", err)
	}
	if _, err := b.file.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("inbox: %w", err)
	}
	b.letters = append(b.letters, l)
	close(b.more)
	b.more = make(chan struct{})
	return nil
}

// To lists the letters to an address ("" for all) after number n, oldest first, and a channel that is closed
// at the next letter.
func (b *Inbox) To(address string, after int) ([]Letter, <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := []Letter{}
	for _, l := range b.letters[min(max(after, 0), len(b.letters)):] {
		if address == "" || l.To == address {
			out = append(out, l)
		}
	}
	return out, b.more
}

// Latest lists the newest n letters, newest first.
func (b *Inbox) Latest(n int) []Letter {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := slices.Clone(b.letters[max(0, len(b.letters)-n):])
	slices.Reverse(out)
	return out
}

// Close closes the file.
func (b *Inbox) Close() error { return b.file.Close() }
