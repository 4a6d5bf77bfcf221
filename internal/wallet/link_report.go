package wallet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/wire"
)

// TakeReport verifies a bank's report on a link and keeps what it says. issuer is the bank that was asked, and
// nobody else's signature counts. A report with a seq that is not higher than the last changes nothing; one of
// another service, person or request is fault.Invalid.
func (w *Wallet) TakeReport(ctx context.Context, issuer id.Issuer, compact string) (wire.LinkReport, error) {
	return w.takeReport(ctx, issuer, compact, nil)
}

// answered is the change of a link that a report answers.
type answered struct {
	link   id.Link
	change string // the id of its outbox message
}

// takeReport is TakeReport of what answers a change, which is open no more in the same commit; nil: of no answer.
func (w *Wallet) takeReport(ctx context.Context, issuer id.Issuer, compact string, to *answered) (wire.LinkReport, error) {
	var rep wire.LinkReport
	if err := w.Messages.Open(ctx, compact, issuer, &rep); err != nil {
		return rep, err
	}
	for range 5 { // the page and the events poll may bring two reports at once
		rows, err := w.reportRows(ctx, issuer, compact, rep, to)
		if err != nil || len(rows) == 0 {
			return rep, err
		}
		err = w.Store.Commit(ctx, rows...)
		if err == nil {
			w.Wake()
			return rep, nil
		}
		if fault.Of(err) != fault.Conflict {
			return rep, err
		}
	}
	return rep, fault.New(fault.Busy, "wallet.TakeReport", errors.New("the link kept changing"))
}

// reportRows is what a verified report writes.
func (w *Wallet) reportRows(ctx context.Context, issuer id.Issuer, compact string, rep wire.LinkReport, to *answered) ([]ledger.Write, error) {
	ask, err := w.Store.Ask(ctx, rep.Request)
	switch {
	case err != nil && fault.Of(err) != fault.NotFound: // our trouble, not the report's: it must not be passed over
		return nil, err
	case err != nil:
		return nil, badReport(fmt.Errorf("request %s: %w", rep.Request, err))
	}
	if ask.Issuer != issuer || ask.Subject != rep.Subject {
		return nil, badReport(fmt.Errorf("request %s is not of this bank and subject", rep.Request))
	}
	link := rep.Link
	if link == "" && to != nil { // the bank names no link that never came to life
		link = to.link
	}
	if rep.State == wire.LinkDead && link == "" {
		if ask.Stage == AskDead || ask.Stage == AskLinked {
			return nil, nil
		}
		return w.deadRows(ask, "bank", false)
	}
	if rep.State != wire.LinkDead && ask.ReturnedAt.IsZero() {
		return nil, badReport(fmt.Errorf("request %s was never handed an activation", rep.Request))
	}
	l, err := w.Store.Link(ctx, link)
	switch {
	case err != nil && fault.Of(err) != fault.NotFound:
		return nil, err
	case err != nil:
		l = Link{ID: link, Subject: ask.Subject, Issuer: issuer, CreatedAt: w.Now(), Seq: -1}
	case l.Issuer != issuer || l.Subject != rep.Subject:
		return nil, badReport(fmt.Errorf("link %s is another's", link))
	}
	return w.linkRows(ctx, l, ask, rep, compact, to)
}

func (w *Wallet) linkRows(ctx context.Context, l Link, ask Ask, rep wire.LinkReport, compact string, to *answered) ([]ledger.Write, error) {
	was, newer := l.Version, rep.Seq > l.Seq
	if !newer && (to == nil || !slices.Contains(l.Changes, to.change)) {
		return nil, nil
	}
	if newer {
		l.take(rep, ask, compact)
	}
	if to != nil {
		l.Changes = slices.DeleteFunc(slices.Clone(l.Changes), func(c string) bool { return c == to.change })
	}
	l.Version, l.UpdatedAt = was+1, w.Now()
	rows := []ledger.Write{PutLink{l, was}}
	if newer && rep.State != wire.LinkDead && (ask.Stage == AskReturned || ask.Stage == AskDead) {
		askWas := ask.Version
		ask.to(AskLinked)
		ask.Link, ask.EndedAt, ask.RS = l.ID, w.Now(), ""
		rows = append(rows, PutAsk{ask, askWas})
	}
	if newer && rep.State == wire.LinkDead && ask.Stage == AskReturned {
		dead, err := w.deadRows(ask, "bank", false)
		if err != nil {
			return nil, err
		}
		rows = append(rows, dead...)
	}
	return w.staleDevice(ctx, l, rows)
}

// take copies what a report says into the link.
func (l *Link) take(rep wire.LinkReport, ask Ask, compact string) {
	l.Seq, l.Reported, l.Reason, l.Limits, l.Report = rep.Seq, rep.State, rep.Reason, rep.Limits, compact
	l.Pseudonym, l.Request, l.Device = rep.Pseudonym, ask.Request, ask.Device
	l.Bank, l.BankName, l.BankNameEN = ask.Bank, ask.BankName.JA, ask.BankName.EN
	l.ReceiptUntil, l.CoolingUntil, l.ValidUntil = moment(rep.ReceiptUntilUs), moment(rep.CoolingUntilUs), moment(rep.ValidUntilUs)
	l.UntilProof, l.LimitedUntil = rep.LimitedUntilUs < 0, moment(max(rep.LimitedUntilUs, 0))
	l.EndRequested = l.EndRequested && !over(l.Reported)
}

// staleDevice tells the bank at once where a link was proved with a device key that is the holder's no more.
func (w *Wallet) staleDevice(ctx context.Context, l Link, rows []ledger.Write) ([]ledger.Write, error) {
	if len(l.Changes) > 0 || l.Over(w.Now()) || l.Reported == wire.LinkSuspended {
		return rows, nil
	}
	d, err := w.Store.Device(ctx, l.Subject)
	if err != nil || d.Keys.Thumbprint() == l.Device {
		return rows, err
	}
	changed, err := w.changeLink(l, ChangedDevice)
	if err != nil {
		return nil, err
	}
	put := changed[len(changed)-1].(PutLink)
	put.IfVersion, put.Link.Version = l.Version-1, l.Version
	rows[0] = put
	return append(rows, changed[:len(changed)-1]...), nil
}

func moment(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return clock.FromMicros(us)
}

func badReport(err error) error { return fault.New(fault.Invalid, "wallet.TakeReport", err) }

// FetchEvents takes what the hub has to tell, waiting up to wait for the first. A report that does not verify
// is logged and passed over: nothing is believed of it, and it must not hold up the others.
func (w *Wallet) FetchEvents(ctx context.Context, wait time.Duration) error {
	seen, err := w.Store.EventsSeen(ctx)
	if err != nil {
		return err
	}
	events, next, err := w.Hub.Events(ctx, seen, wait)
	if err != nil {
		return err
	}
	for _, e := range events {
		issuer, err := wire.Peek(e.Report)
		if err == nil {
			_, err = w.TakeReport(ctx, id.Issuer(issuer), e.Report)
		}
		if err != nil {
			w.Log.WarnContext(ctx, "report refused", "seq", e.Seq, "err", err.Error())
			if k := fault.Of(err); k != fault.Invalid && k != fault.NotFound {
				return err
			}
		}
	}
	if next <= seen {
		return nil
	}
	return w.Store.Commit(ctx, PutEventsSeen{next})
}

// PutEventsSeen keeps the number of the last event that was taken.
type PutEventsSeen struct{ Seq int64 }
