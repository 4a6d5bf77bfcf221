package bank

import (
	"context"
	"time"
)

// How long the bank keeps what a rule needs for a while only. Everything else stays for ever: evidence, debits,
// reversals and their receipts, answered changes, links, requests somebody consented to with the receipts of
// their notices, contacts, PINs and passkeys with the times they changed, and all of the ledger. So no id that
// was answered once is ever new again, and what proves anything is never gone.
const (
	// KeepOnce is for one-time values (jti, nonces) after their own end: a clock set back by less finds them used.
	KeepOnce = time.Hour
	// KeepTokens is for access tokens that ended or were revoked, and sessions at an ATM: they open nothing any
	// more, and one that is gone is refused in the same words.
	KeepTokens = 24 * time.Hour
	// KeepProofs is for proofs of possession. They are good for SessionLife; the evidence says what was proved.
	KeepProofs = 24 * time.Hour
	// KeepCodes is for the count of codes that left, and that it was told they are used up: L15 counts 24 hours.
	KeepCodes = 48 * time.Hour
	// KeepNotices is for what was told to whom: the stop link works StopLife, the digest counts a day, and a
	// depositor asks about a notice weeks later. What proves an arrival is evidence.
	KeepNotices = 90 * 24 * time.Hour
	// KeepDead is for requests that ended before anybody consented: a service's repeats come within hours, the
	// page of a notice's stop link names the service within StopLife.
	KeepDead = 90 * 24 * time.Hour
	// KeepDecisions is for the sealed log behind the one answer (L3): who was refused asks within a year.
	KeepDecisions = 365 * 24 * time.Hour
)

// A life shorter than the rule that needs it does not compile.
const (
	_ = uint64(KeepProofs - SessionLife)
	_ = uint64(KeepCodes - 24*time.Hour)
	_ = uint64(KeepNotices - StopLife - 24*time.Hour - digestDue)
	_ = uint64(KeepDead - StopLife)
	_ = uint64(KeepDead - SessionLife - IdentityLife) // a replayed link request is too old by itself
	_ = uint64(KeepDecisions - KeepDead)
)

// forgetAtOnce bounds how many rows one transaction deletes, so that no debit waits long for it.
const forgetAtOnce = 500

// Forget deletes what has outlived its life, slice by slice.
func (b *Bank) Forget(ctx context.Context) error {
	for {
		n, err := b.Store.Forget(ctx, b.Now(), forgetAtOnce)
		if err != nil || n == 0 {
			return err
		}
	}
}
