package bank

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/wire"
)

// chained is an evidence as the bank signs it: with its number and the hash of the one before, so that none
// can be changed, taken out or put in between later without showing (L11).
type chained struct {
	wire.Header
	Seq     int64           `json:"seq"`
	Prev    string          `json:"prev"` // base64url SHA-256 of the JWS before; "" for the first
	Kind    string          `json:"kind"`
	Request id.Request      `json:"request,omitempty"`
	Link    id.Link         `json:"link,omitempty"`
	Account AccountID       `json:"account,omitempty"`
	AtUs    int64           `json:"at_us"`
	Facts   json.RawMessage `json:"facts,omitempty"`
}

// Typ implements wire.Message.
func (*chained) Typ() string { return "kozamori-evidence+jwt" }

// Chain signs evidence row by row, for the store to call in the transaction that writes them.
type Chain struct {
	key    wire.Key
	issuer id.Issuer
}

// NewChain is the chain of one bank.
func NewChain(key wire.Key, issuer id.Issuer) Chain { return Chain{key: key, issuer: issuer} }

// Next makes the row that follows prev; the zero row before the first.
func (c Chain) Next(prev EvidenceRow, e Evidence) (EvidenceRow, error) {
	facts, err := json.Marshal(e.Facts)
	if err != nil {
		return EvidenceRow{}, fault.New(fault.Internal, "bank.Chain", err)
	}
	m := &chained{
		Header: wire.Header{Issuer: string(c.issuer), Audience: string(c.issuer), IssuedAt: e.At.Unix()},
		Seq:    prev.Seq + 1, Prev: prev.Hash, Kind: e.Kind, Request: e.Request, Link: e.Link, Account: e.Account,
		AtUs: clock.Micros(e.At), Facts: facts,
	}
	jws, err := wire.Sign(c.key, m)
	if err != nil {
		return EvidenceRow{}, err
	}
	return EvidenceRow{Seq: m.Seq, JWS: jws, Hash: wire.Hash(jws)}, nil
}

// CheckChain verifies rows that follow prev under the bank's public keys: numbers, hashes and signatures. It
// names the first row that does not fit.
func CheckChain(prev EvidenceRow, rows []EvidenceRow, keys wire.KeySet, issuer id.Issuer, now time.Time) error {
	for _, row := range rows {
		bad := func(err error) error {
			return &fault.Error{Kind: fault.Conflict, Op: "bank.CheckChain", Err: fmt.Errorf("row %d: %w", row.Seq, err)}
		}
		m, err := wire.Verify[chained](row.JWS, keys, wire.Expect{
			Issuer: string(issuer), Audience: string(issuer), Now: now, AnyAge: true,
		})
		switch {
		case err != nil:
			return bad(err)
		case row.Seq != prev.Seq+1 || m.Seq != row.Seq:
			return bad(text("its number does not follow"))
		case m.Prev != prev.Hash || row.Hash != wire.Hash(row.JWS):
			return bad(text("its hash does not fit"))
		}
		prev = row
	}
	return nil
}

// decision is a row of the sealed log behind an answer that tells nobody anything (L3).
func (b *Bank) decision(reference string, at time.Time, facts any) ledger.Write {
	plain, err := json.Marshal(facts)
	if err != nil {
		panic(fmt.Sprintf("bank: a decision cannot be written: %v", err))
	}
	sealed, err := b.Sealer.Seal(plain, "decision/"+reference)
	if err != nil {
		panic(fmt.Sprintf("bank: a decision cannot be sealed: %v", err))
	}
	return PutDecision{At: at, Reference: reference, Sealed: sealed}
}

// Open reads a row of the decision log: for staff who were given a reference number.
func (d PutDecision) Open(s Sealer) (string, error) {
	plain, err := s.Open(d.Sealed, "decision/"+d.Reference)
	if err != nil {
		return "", fault.New(fault.Internal, "bank.Decision", err)
	}
	return string(plain), nil
}
