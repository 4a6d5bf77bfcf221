package sim

import (
	"context"
	"slices"
	"time"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/wallet"
)

// What happens without anybody asking: the roles' own turns, time, weather, and processes that end and start.

// stepDeliver is a turn of an outbox.
func (w *World) stepDeliver() {
	if w.dice.IntN(2) == 0 {
		w.turn(w.role(string(pick(w, services).id)))
		return
	}
	w.turn(pick(w, w.roles))
}

// turn lets a role deliver, unless it is at it.
func (w *World) turn(r *role) {
	if r.up == nil || r.sending || r.name == hubName {
		return
	}
	r.sending = true
	w.say(w.turnOf(r), "%s delivers", r.name)
	r.sending = false
}

// stepSweep is a turn of what a role does by itself.
func (w *World) stepSweep() {
	r := pick(w, w.roles)
	if r.up == nil {
		return
	}
	p := r.up
	turns := map[bool][]turn{
		true:  {{"asks what became of charges", func(ctx context.Context) error { _, err := p.wallet.SweepCharges(ctx); return err }}, {"looks for events", func(ctx context.Context) error { return p.wallet.FetchEvents(ctx, 0) }}, {"lets money mature", func(ctx context.Context) error { return p.wallet.Mature(ctx) }}},
		false: {{"sweeps", func(ctx context.Context) error { _, err := p.bank.Sweep(ctx); return err }}},
	}[r.service != nil]
	if r.name == hubName || w.dice.IntN(8) == 0 {
		turns = []turn{{"forgets", p.forget}}
	}
	t := pick(w, turns)
	w.say(w.in(p, t.do), "%s %s", r.name, t.name)
}

// turn is one of a role's own.
type turn struct {
	name string
	do   func(ctx context.Context) error
}

// stepStatements exchanges statements of days that are over.
func (w *World) stepStatements() {
	s := w.role(string(pick(w, services).id))
	w.say(w.at(s, func(ctx context.Context, p *process) error { return p.wallet.SweepStatements(ctx) }), "%s exchanges statements", s.name)
}

// stepArrival lets staff record what a bank has paid.
func (w *World) stepArrival() {
	s, issuer := w.role(string(pick(w, services).id)), pick(w, banks).issuer()
	var waits []wallet.Settlement
	err := w.at(s, func(ctx context.Context, p *process) error {
		all, err := p.wallet.Store.Settlements(ctx, issuer, 100)
		waits = slices.DeleteFunc(all, func(x wallet.Settlement) bool { return x.State() != wallet.SettlementAnnounced })
		return err
	})
	if err != nil || len(waits) == 0 {
		return
	}
	x := pick(w, waits)
	err = w.at(s, func(ctx context.Context, p *process) error {
		_, err := p.wallet.RecordArrival(ctx, issuer, x.Day, x.Amount(), "clerk")
		return err
	})
	w.say(err, "%s records what %s has paid for %s", s.name, w.issuerOf(issuer).name, x.Day)
}

func (w *World) stepLate() {
	if len(w.late) > 0 {
		w.deliverLate()
	}
}

func (w *World) wait(d time.Duration) {
	w.pass(d)
	w.note("%s pass", d)
}

func (w *World) stepWeather() {
	w.weather = pick(w, weathers)
	w.note("the weather is %s", w.weather.name)
}

// stepParting cuts a bank off, or ends that.
func (w *World) stepParting() {
	if w.parted != nil {
		w.note("%s is reached again", w.parted.name)
		w.parted = nil
		return
	}
	w.parted = w.role(string(pick(w, banks).code))
	w.note("%s is cut off", w.parted.name)
}

// stepKill ends a process between two things.
func (w *World) stepKill() {
	if r := pick(w, w.roles); r.up != nil {
		w.end(r.up, "while it rests")
	}
}

// stepStart starts a role that is down.
func (w *World) stepStart() {
	for _, r := range w.roles {
		if r.up == nil {
			w.note("%s starts", r.name)
			if err := w.start(r); err != nil && fault.Of(err) == fault.Internal {
				w.fail("%v", err)
			}
			return
		}
	}
}
