package bankd

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"time"
)

// blind lets an answer leave at a fixed moment after the question was there, whatever there was to do: before
// full proof nobody learns by the clock either (L3). What takes longer than the deadline leaves at the next
// multiple of it: it tells no more than how many deadlines went by.
func (t *tenant) blind(h func(http.ResponseWriter, *http.Request) error) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		takeIn(r)
		began := t.s.env.Ticks()
		late := &lateWriter{ResponseWriter: w}
		err := h(late, r)
		// Who hangs up does not end the wait: the next page would come before the moment.
		t.s.env.Wait(context.WithoutCancel(r.Context()), untilTick(t.s.env.Ticks()-began, t.bank.Policy.Deadline))
		if err != nil {
			return err
		}
		late.flush()
		return nil
	}
}

// untilTick is how long it is to the next multiple of a deadline, the first at least.
func untilTick(gone, deadline time.Duration) time.Duration {
	ticks := max(1, (gone+deadline-1)/deadline)
	return ticks*deadline - gone
}

// takeIn reads the whole body: how fast it arrives is the browser's affair, and no part of the time that the
// answer takes. A body that fails, or is too long, fails again where it is read.
func takeIn(r *http.Request) {
	body, err := io.ReadAll(r.Body)
	r.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body), broken{err}))
}

// broken ends a body as it ended; nil is its regular end.
type broken struct{ err error }

func (b broken) Read([]byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	return 0, io.EOF
}

// lateWriter keeps an answer back.
type lateWriter struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

func (w *lateWriter) WriteHeader(status int)      { w.status = status }
func (w *lateWriter) Write(b []byte) (int, error) { return w.body.Write(b) }

func (w *lateWriter) flush() {
	if w.status != 0 {
		w.ResponseWriter.WriteHeader(w.status)
	}
	_, _ = w.body.WriteTo(w.ResponseWriter)
}
