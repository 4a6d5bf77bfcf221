package sim

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/kozamori/kozamori/internal/bank"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/hub"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/money"
	"github.com/kozamori/kozamori/internal/wallet"
)

// step is something that may happen next.
type step struct {
	name   string
	weight int
	alone  bool // never while something else is under way
	do     func(w *World)
}

// steps is everything that happens in a story: people, staff, the roles' own turns, time and misfortune.
var steps []step

// The table names functions that tell stories themselves, so that it is filled at the first use.
func allSteps() []step {
	if steps == nil {
		steps = []step{
			{"charge", 28, false, (*World).stepCharge},
			{"sign", 8, false, (*World).stepSign},
			{"pay", 8, false, (*World).stepPay},
			{"reverse", 4, false, (*World).stepReverse},
			{"cash", 4, false, (*World).stepCash},
			{"stop link", 1, false, (*World).stepStopLink},
			{"stop all", 1, false, (*World).stepStopAll},
			{"undo", 2, false, (*World).stepUndo},
			{"link", 8, false, (*World).stepLink},
			{"end link", 2, false, (*World).stepEndLink},
			{"close", 1, false, (*World).stepClose},
			{"matrix", 2, false, (*World).stepMatrix},
			{"deliver", 26, false, (*World).stepDeliver},
			{"sweep", 12, false, (*World).stepSweep},
			{"statements", 2, true, (*World).stepStatements},
			{"arrival", 2, false, (*World).stepArrival},
			{"late call", 8, false, (*World).stepLate},
			{"moment", 14, false, func(w *World) { w.wait(time.Duration(w.dice.IntN(20_000)) * time.Millisecond) }},
			{"minutes", 4, true, func(w *World) { w.wait(time.Duration(1+w.dice.IntN(30)) * time.Minute) }},
			{"hours", 2, true, func(w *World) { w.wait(time.Duration(1+w.dice.IntN(26)) * time.Hour) }},
			{"days", 1, true, func(w *World) { w.wait(time.Duration(1+w.dice.IntN(16)) * 24 * time.Hour) }},
			{"weather", 3, true, (*World).stepWeather},
			{"parting", 2, true, (*World).stepParting},
			{"kill", 2, true, (*World).stepKill},
			{"start", 25, false, (*World).stepStart},
		}
	}
	return steps
}

// next lets one thing happen.
func (w *World) next() {
	var may []step
	sum := 0
	for _, s := range allSteps() {
		if w.depth == 0 || !s.alone {
			may = append(may, s)
			sum += s.weight
		}
	}
	n := w.dice.IntN(sum)
	i := 0
	for ; n >= may[i].weight; i++ {
		n -= may[i].weight
	}
	w.look()
	if w.failure != "" {
		return
	}
	may[i].do(w)
	w.look()
}

// deepest is how many things may be under way inside each other.
const deepest = 3

// meanwhile lets other things happen, sometimes, while something waits.
func (w *World) meanwhile(p float64) {
	if w.depth >= deepest || !w.chance(p) || w.failure != "" {
		return
	}
	w.depth++
	w.note("  meanwhile:")
	for range 1 + w.dice.IntN(2) {
		w.next()
	}
	w.depth--
	w.note("  and back:")
}

// say notes a step and how it came out, and stops the story where a role says that it is its own fault.
func (w *World) say(err error, format string, args ...any) {
	what := fmt.Sprintf(format, args...)
	switch {
	case err == nil:
		w.note("%s: done", what)
	case errors.Is(err, errEnded):
		w.note("%s: no answer", what)
	case fault.Of(err) == fault.Internal && w.failure == "":
		w.fail("%s: %v", what, err)
	default:
		w.note("%s: %s", what, reason(err))
	}
}

// reason is an error in words that are the same in every run.
func reason(err error) string {
	kind := fault.Of(err)
	text := [...]string{"internal", "invalid", "unauthorised", "forbidden", "not found", "conflict", "refused", "busy", "unavailable", "gone"}[kind]
	if rule := fault.RuleOf(err); rule != "" {
		text += " by " + rule
	}
	return text
}

func pick[T any](w *World, list []T) T { return list[w.dice.IntN(len(list))] }

// unknown says that nobody knows whether it was done.
func unknown(err error) bool {
	return errors.Is(err, errEnded) || fault.Of(err) == fault.Unavailable || fault.Of(err) == fault.Busy
}

func (w *World) amount() money.Yen {
	switch n := w.dice.IntN(10); {
	case n < 4:
		return money.Yen(100 + w.dice.IntN(3_000))
	case n < 7:
		return money.Yen(3_000 + w.dice.IntN(9_000))
	default:
		return money.Yen(12_000 + w.dice.IntN(8_500))
	}
}

// somebody is whoever does something next.
func (w *World) somebody() *purse {
	if w.dice.IntN(2) == 0 {
		return pick(w, w.busy.purses)
	}
	return pick(w, w.purses())
}

// stepCharge asks for a charge, and mostly signs it at once.
func (w *World) stepCharge() {
	u, amount := w.somebody(), w.amount()
	var slip wallet.Asked
	err := w.at(u.service, func(ctx context.Context, p *process) (err error) {
		slip, err = p.wallet.AskCharge(ctx, u.subject, u.link, amount)
		return err
	})
	w.say(err, "%s asks for %d yen over %s", u.owner.name, amount, linkName(u))
	if err != nil {
		return
	}
	c := w.model.byDebit[slip.Charge.Debit]
	if c == nil {
		c = &charge{name: number("charge ", len(w.model.charges)+1), debit: slip.Charge.Debit, purse: u, link: u.link}
		w.model.charges, w.model.byDebit[c.debit] = append(w.model.charges, c), c
		w.name(string(c.debit), number("charge", len(w.model.charges)))
		w.count("charges", 1)
	}
	if c.told {
		w.fail("%s is on its way, and is shown again", c.name)
		return
	}
	c.slip, c.amount, c.signed = slip, amount, false // what was signed before is worth nothing: it was never handed in
	if w.dice.IntN(5) > 0 {
		w.sign(c)
	}
}

// stepSign signs a slip that somebody left lying, perhaps once more.
func (w *World) stepSign() {
	i := len(w.model.charges) - 1 - w.dice.IntN(6)
	if i >= 0 {
		w.sign(w.model.charges[i])
	}
}

// sign lets the holder's device sign, and hands that in.
func (w *World) sign(c *charge) {
	u := c.purse
	ended := w.model.ended[c.link]
	closed := w.model.closed[pair(u)]
	proof := u.device.sign(c.slip.Challenge)
	if !c.signed {
		c.closed = closed
	}
	c.signed = true
	var got wallet.Charge
	err := w.at(u.service, func(ctx context.Context, p *process) (err error) {
		got, err = p.wallet.Agreed(ctx, u.subject, c.debit, proof)
		return err
	})
	w.say(err, "%s signs %s", u.owner.name, c.name)
	switch {
	case err == nil && ended && !c.told && c.state == wallet.ChargeAsked && got.State != wallet.ChargeNever:
		w.fail("%s is on its way over a link that its holder has ended", c.name)
	case err == nil && got.State != wallet.ChargeAsked:
		c.told = true
		if w.chance(0.7) { // its outbox is woken
			w.turn(u.service)
		}
	case err != nil && !unknown(err) && !c.told && c.state == wallet.ChargeAsked:
		c.signed = false // refused: nothing was sent
	}
}

// stepPay shows a code at the till.
func (w *World) stepPay() {
	u, amount := w.somebody(), money.Yen(100+w.dice.IntN(8_000))
	var code string
	err := w.at(u.service, func(ctx context.Context, p *process) (err error) {
		code, _, err = p.wallet.MakePayCode(ctx, u.subject)
		return err
	})
	if err != nil {
		w.say(err, "%s shows a code", u.owner.name)
		return
	}
	n := len(w.model.payments) + 1
	p := &payment{key: number("key-", n), purse: u, what: wallet.Presented{Code: code, Amount: amount, Terminal: "till 1", Order: number("order ", n)}}
	w.model.payments = append(w.model.payments, p)
	w.present(p)
	if w.chance(0.2) {
		w.present(p)
	}
}

// present asks for a payment under its key, again and again the same.
func (w *World) present(p *payment) {
	s := p.purse.service
	var got wallet.Payment
	err := w.at(s, func(ctx context.Context, at *process) (err error) {
		got, _, err = at.wallet.Pay(ctx, at.wallet.Shop(shopID), p.key, p.what)
		return err
	})
	w.say(err, "the shop asks %s for %d yen of %s under %s", s.name, p.what.Amount, p.purse.owner.name, p.key)
	switch {
	case err == nil && p.answer != nil && *p.answer != got:
		w.fail("%s was answered %+v, and now %+v", p.key, *p.answer, got)
	case err == nil && p.refused:
		w.fail("%s was refused for good, and now answered", p.key)
	case err == nil:
		p.answer = &got
	case !unknown(err) && p.answer != nil:
		w.fail("%s was answered, and is refused now: %v", p.key, err)
	case !unknown(err):
		p.refused = true
	}
}

// stepReverse lets staff give a charge back.
func (w *World) stepReverse() {
	if len(w.model.charges) == 0 {
		return
	}
	c := pick(w, w.model.charges)
	if c.state != wallet.ChargeDone {
		return
	}
	was := c.reversed
	c.reversed = true
	err := w.at(c.purse.service, func(ctx context.Context, p *process) error {
		_, err := p.wallet.ReverseCharge(ctx, c.debit, "clerk", "the story wants it")
		return err
	})
	w.say(err, "staff of %s give %s back", c.purse.service.name, c.name)
	c.back = c.back || err == nil
	if err != nil && !unknown(err) {
		c.reversed = was
	}
}

// stepCash pays in or out at a machine, which asks again under the same reference where it has no answer.
func (w *World) stepCash() {
	for _, c := range w.model.cash {
		if c.open() {
			w.hand(c)
			return
		}
	}
	p, amount := pick(w, w.people), money.Yen(1_000*(1+w.dice.IntN(30)))
	if w.dice.IntN(2) == 0 {
		amount = -amount
	}
	c := &cash{person: p, amount: amount, ref: number("atm-ref-", len(w.model.cash)+1)}
	w.model.cash = append(w.model.cash, c)
	w.hand(c)
}

func (w *World) hand(c *cash) {
	err := w.at(c.person.bank, func(ctx context.Context, p *process) error {
		return p.bank.Cash(ctx, c.person.account, c.amount, c.ref)
	})
	w.say(err, "%s moves %d yen at a machine (%s)", c.person.name, c.amount, c.ref)
	switch {
	case err == nil:
		c.done = true
	case !unknown(err):
		c.failed = true
	}
}

// stepStopLink stops one link.
func (w *World) stepStopLink() {
	u := pick(w, w.purses())
	w.stop(u.owner, linkName(u), func(ctx context.Context, b *bank.Bank) error { return b.StopLink(ctx, u.owner.account, u.link) })
}

// stepStopAll presses the one button.
func (w *World) stepStopAll() {
	p := pick(w, w.people)
	w.stop(p, accountName(p), func(ctx context.Context, b *bank.Bank) error { return b.StopAll(ctx, p.account) })
}

func (w *World) stop(p *person, what string, do func(ctx context.Context, b *bank.Bank) error) {
	err := w.at(p.bank, func(ctx context.Context, at *process) error { return do(ctx, at.bank) })
	w.look() // what is booked by now was booked before
	w.say(err, "%s stops %s", p.name, what)
	if err == nil {
		w.model.stops[what] = true
		w.count("stops", 1)
	}
}

// stepUndo undoes a stop with full proof.
func (w *World) stepUndo() {
	u := pick(w, w.purses())
	p, link, what := u.owner, id.Link(""), accountName(u.owner)
	if w.dice.IntN(2) == 0 {
		link, what = u.link, linkName(u)
	}
	if !w.model.stops[what] {
		return
	}
	delete(w.model.stops, what) // from now on it may be undone
	for _, other := range p.purses {
		if link == "" || other == u {
			other.began = w.time()
		}
	}
	w.say(w.undo(p, link), "%s undoes the stop of %s", p.name, what)
}

func (w *World) undo(p *person, link id.Link) error {
	const cookie = "a browser's secret of 43 letters, or thereabouts"
	var proof bank.Proof
	if err := w.at(p.bank, func(ctx context.Context, at *process) (err error) {
		proof, err = at.bank.StartProof(ctx, bank.ForUndo, p.account, cookie, "")
		return err
	}); err != nil {
		return err
	}
	if err := w.atATM(p, func(ctx context.Context, b *bank.Bank, s bank.ATMSession) error {
		return openWindow(ctx, b, s, proof.Reference)
	}); err != nil {
		return err
	}
	return w.at(p.bank, func(ctx context.Context, at *process) error {
		held, err := takeWindow(ctx, at.bank, proof.ID, cookie)
		if err != nil {
			return err
		}
		right, err := at.bank.UndoStop(ctx, held, pin, link)
		if err == nil && !right {
			err = errPIN
		}
		return err
	})
}

// stepLink makes a link anew where the last one is over, or needs a new proof.
func (w *World) stepLink() {
	u := pick(w, w.purses())
	if w.dice.IntN(3) == 0 {
		w.say(w.acknowledge(u.owner), "%s says at a machine what she knows of", u.owner.name)
		return
	}
	if !w.model.stops[linkName(u)] && !w.model.ended[u.link] && w.dice.IntN(5) > 0 {
		return // it serves her well
	}
	if before := w.weather; w.dice.IntN(2) == 0 { // it takes many calls: sometimes they go well
		w.weather = fair
		defer func() { w.weather = before }()
	}
	w.turn(u.service) // what became of the last one is known by now, mostly
	w.turn(u.owner.bank)
	err := w.at(u.service, func(ctx context.Context, p *process) error { return p.wallet.FetchEvents(ctx, 0) })
	if err == nil {
		err = w.makeLink(u)
	}
	w.say(err, "%s links %s anew", u.owner.name, u.service.name)
	if err == nil {
		w.count("links_made", 1)
	}
}

// stepEndLink ends a link at the service.
func (w *World) stepEndLink() {
	u := pick(w, w.purses())
	link := u.link
	err := w.at(u.service, func(ctx context.Context, p *process) error { return p.wallet.EndLink(ctx, u.subject, link) })
	w.say(err, "%s ends %s at the service", u.owner.name, linkName(u))
	if err == nil {
		w.model.ended[link] = true
	}
}

// stepClose closes a deposit account, or goes on with that.
func (w *World) stepClose() {
	p := pick(w, w.people)
	if !p.closing && w.dice.IntN(6) > 0 {
		return
	}
	p.closing = true
	err := w.at(p.bank, func(ctx context.Context, at *process) error { return at.bank.CloseAccount(ctx, p.account) })
	w.look()
	w.say(err, "%s closes her account", p.name)
	p.closed = p.closed || err == nil
}

// stepMatrix lets the hub's staff stop a pair, or lift that.
func (w *World) stepMatrix() {
	u := pick(w, w.purses())
	name, state := pair(u), hub.Stopped
	if _, closed := w.model.closed[name]; closed || w.dice.IntN(3) == 0 {
		state = hub.Open
		delete(w.model.closed, name)
	}
	err := w.at(w.role(hubName), func(ctx context.Context, p *process) error {
		return p.hub.Suspend(ctx, hub.Suspension{Service: u.service.service.id, Issuer: u.owner.bank.bank.issuer(), State: state, By: "clerk", Why: "the story wants it"})
	})
	w.look()
	w.say(err, "the hub's staff set %s to %s", name, state)
	if state == hub.Open { // also where somebody stopped it meanwhile
		delete(w.model.closed, name)
	}
	if err == nil && state == hub.Stopped {
		w.model.closings++
		w.model.closed[name] = w.model.closings
	}
}
