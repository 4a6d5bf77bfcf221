package audit

import (
	"context"
	"maps"
	"time"
)

// hubBooks is the hub as it was read: it keeps no money and signs nothing, so there is little to judge.
type hubBooks struct {
	role   string
	damage []string
	events []hubEvent
	debits []hubDebit
	links  map[string]bool
	gone   map[string]int64 // events that a service has taken and the hub forgot: all up to here
}

type hubEvent struct {
	service string
	seq     int64
}

type hubDebit struct {
	service, debit, link, outcome string
	answeredUs                    int64
}

func readHub(ctx context.Context, path string) (*hubBooks, error) {
	h := &hubBooks{role: "hub", links: map[string]bool{}, gone: map[string]int64{}}
	return h, readTables(ctx, path, func(r *reader) {
		h.damage = damage(r)
		h.events = list(r, `SELECT service, seq FROM events ORDER BY service, seq`, func(e *hubEvent) []any { return []any{&e.service, &e.seq} })
		h.debits = list(r, `SELECT service, debit, link, outcome, answered_us FROM debits ORDER BY service, debit`, func(d *hubDebit) []any {
			return []any{&d.service, &d.debit, &d.link, &d.outcome, &d.answeredUs}
		})
		each(r, `SELECT service, forgotten FROM event_marks`, func(e *hubEvent) []any { return []any{&e.service, &e.seq} },
			func(e hubEvent) { h.gone[e.service] = e.seq })
		each(r, `SELECT link FROM links`, func(l *string) []any { return []any{l} }, func(l string) { h.links[l] = true })
	})
}

func (h *hubBooks) totals() Books {
	return Books{Role: h.role, Transfers: len(h.debits), Lines: len(h.events)}
}

// check looks whether no event of a service was lost and every routed debit went over a link the hub knows.
func (h *hubBooks) check(f *finder, _ time.Time) {
	for _, d := range h.damage {
		f.add("hub.db", "file", d, "an undamaged file", "damage")
	}
	next := maps.Clone(h.gone)
	for _, e := range h.events {
		next[e.service]++
		equal(f, "events", e.service, "numbers without a gap", next[e.service], e.seq)
		next[e.service] = e.seq
	}
	for _, d := range h.debits {
		if !h.links[d.link] {
			f.add("debits", d.service+"/"+d.debit, "the link it was routed over", "a row of links", d.link)
		}
	}
}
