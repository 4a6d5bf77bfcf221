package bank

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// sweepAtOnce bounds how many rows of one sort a sweep takes; the next sweep takes the rest.
const sweepAtOnce = 500

// Sweep brings to its end what nobody else does: links whose receipt is there and that still wait, requests
// nobody consented to, consents nobody redeemed, links whose notice never arrived, and links past their last
// day. What fails is told in the error, joined, and keeps nothing else from being swept. n is how many ended.
func (b *Bank) Sweep(ctx context.Context) (n int, err error) {
	now := b.Now()
	begun, errBegin := b.sweepReceived(ctx, now)
	dead, errEnd := b.sweepRequests(ctx, now)
	over, errPast := b.sweepLinks(ctx, now)
	return begun + dead + over, errors.Join(errBegin, errEnd, errPast)
}

// each does something for every row and joins what fails; that somebody else was quicker is no failure.
func each[T any](rows []T, what func(T) string, do func(T) error) (n int, err error) {
	var failed []error
	for _, row := range rows {
		switch err := do(row); {
		case err == nil:
			n++
		case !raced(err) && !errors.Is(err, errNothingToDo):
			failed = append(failed, fmt.Errorf("%s: %w", what(row), err))
		}
	}
	return n, errors.Join(failed...)
}

func requestName(r Request) string { return string(r.ID) }

// sweepReceived lets links begin whose notice is known to have arrived (L8): the receipt came while the
// service was being answered, or the bank stopped before it was looked at.
func (b *Bank) sweepReceived(ctx context.Context, now time.Time) (int, error) {
	waiting, err := b.Store.RequestsReceived(ctx, now, sweepAtOnce)
	if err != nil {
		return 0, err
	}
	return each(waiting, requestName, func(r Request) error {
		receipts, err := b.Store.ReceiptsOf(ctx, r.ID)
		if err != nil || !Received(r.Proved, receipts) {
			return either(err, errNothingToDo)
		}
		return b.activate(ctx, r, false)
	})
}

func (b *Bank) sweepRequests(ctx context.Context, now time.Time) (int, error) {
	late, err := b.Store.RequestsToEnd(ctx, now, sweepAtOnce)
	if err != nil {
		return 0, err
	}
	return each(late, requestName, func(r Request) error {
		if r.State == RequestWaiting {
			return b.Die(ctx, r, "no_receipt")
		}
		return b.Die(ctx, r, "timeout")
	})
}

func (b *Bank) sweepLinks(ctx context.Context, now time.Time) (int, error) {
	past, err := b.Store.LinksPast(ctx, now, sweepAtOnce)
	if err != nil {
		return 0, err
	}
	return each(past, func(l Link) string { return string(l.ID) }, func(l Link) error {
		_, err := b.MoveLink(ctx, l.ID, Move{To: LinkExpired, Reason: "expired", Kind: "expired", Event: EventEnded}, func(l Link) error {
			if !l.Occupies() || now.Before(l.Valid) {
				return errNothingToDo
			}
			return nil
		})
		return err
	})
}
