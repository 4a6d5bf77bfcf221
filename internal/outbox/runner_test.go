package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/kozamori/kozamori/internal/outbox"
)

// notes is a store whose commits are noted one by one.
type notes struct {
	due     []outbox.Message
	settled []string
	fail    error
}

func (n *notes) Due(context.Context, time.Time, int) ([]outbox.Message, error) { return n.due, nil }

func (n *notes) Settle(_ context.Context, done []string, again []outbox.Retry) error {
	n.settled = append(n.settled, fmt.Sprint(done, again))
	return n.fail
}

// A turn delivers in order, and settles each message before the next: who dies in the midst has told nobody twice of
// what was settled.
func TestOnce(t *testing.T) {
	now := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	store := &notes{due: []outbox.Message{{ID: "a", Kind: "k"}, {ID: "b", Kind: "k"}, {ID: "c", Kind: "k"}}}
	var log []string
	r := outbox.NewRunner(store, outbox.Options{Clock: func() time.Time { return now }, Failed: func(m outbox.Message, err error) { log = append(log, m.ID+" "+err.Error()) },
		Handlers: map[string]outbox.Handler{"k": func(_ context.Context, m outbox.Message) error {
			log = append(log, fmt.Sprintf("%s after %d", m.ID, len(store.settled)))
			switch m.ID {
			case "a":
				return errors.New("lost")
			case "b":
				return &outbox.Later{At: now.Add(time.Hour)}
			}
			return nil
		}}})
	tried, err := r.Once(t.Context())
	if err != nil || tried != 3 {
		t.Error(tried, err)
	}
	if want := "[a after 0 a lost b after 1 c after 2]"; fmt.Sprint(log) != want {
		t.Errorf("%v, want %v", log, want)
	}
	want := []string{
		fmt.Sprint([]string(nil), []outbox.Retry{{ID: "a", Due: now.Add(time.Second / 2), Attempts: 1}}),
		fmt.Sprint([]string(nil), []outbox.Retry{{ID: "b", Due: now.Add(time.Hour)}}),
		fmt.Sprint([]string{"c"}, []outbox.Retry(nil)),
	}
	if fmt.Sprint(store.settled) != fmt.Sprint(want) {
		t.Errorf("settled %v, want %v", store.settled, want)
	}
	store.fail, log = errors.New("the disk is full"), nil
	if tried, err := r.Once(t.Context()); !errors.Is(err, store.fail) || tried != 0 || len(log) != 2 {
		t.Error("went on without its store:", tried, err, log)
	}
}
