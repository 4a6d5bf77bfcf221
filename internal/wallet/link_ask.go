package wallet

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/identity"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/outbox"
	"github.com/kozamori/kozamori/internal/wire"
)

// AskStage is how far a holder's request for a link has come.
type AskStage string

// The stages of a request. A bank's report alone makes it linked.
const (
	AskMade     AskStage = "made"     // signed and kept; the hub has not taken it yet
	AskPushed   AskStage = "pushed"   // the bank has it; the browser was sent there
	AskReturned AskStage = "returned" // the same browser came back; the activation is in the outbox
	AskLinked   AskStage = "linked"
	AskDead     AskStage = "dead"
)

// askNext is the state table of a request, drawn in docs/states.md. A dead request becomes linked where the
// bank had made the link before it heard of the abort: the bank is the registry of record.
var askNext = map[AskStage][]AskStage{
	AskMade:     {AskPushed, AskDead},
	AskPushed:   {AskReturned, AskDead},
	AskReturned: {AskLinked, AskDead},
	AskDead:     {AskLinked},
	AskLinked:   {},
}

// AskStages is the table of what may follow what, for tests of its drawing.
func AskStages() map[AskStage][]AskStage { return maps.Clone(askNext) }

// to moves a request on; a step the table does not know is our bug.
func (a *Ask) to(next AskStage) {
	if !slices.Contains(askNext[a.Stage], next) {
		panic("wallet: a request cannot go from " + string(a.Stage) + " to " + string(next))
	}
	a.Stage = next
	a.Version++
}

// Ask is a request for a link. RS is the fresh value that only the holder's session can reach through it: the
// store seals it, the hub and the bank get its hash, the browser a cookie derived from it (L12).
type Ask struct {
	Request    id.Request
	Subject    id.Subject
	Issuer     id.Issuer
	Bank       id.Bank
	BankName   fault.Text
	Stage      AskStage
	Reason     string // dead: why, a word of deadTexts
	State      string // OAuth state; the store keeps its hash to find the request by
	RS         string
	Details    string // authorization_details as hashed
	Device     string // thumbprint of the device key it brings to the bank
	Link       id.Link
	MadeAt     time.Time
	ReturnedAt time.Time
	EndedAt    time.Time
	Version    int64
}

// PutAsk writes a request; IfVersion is the version stored now, 0 if there must be none.
type PutAsk struct {
	Ask       Ask
	IfVersion int64
}

// LinkStore is what the wallet keeps about links and requests for them. What is not there is fault.NotFound.
type LinkStore interface {
	Link(ctx context.Context, link id.Link) (Link, error)
	// LinksOf lists a holder's links, ended ones too, newest first.
	LinksOf(ctx context.Context, sub id.Subject) ([]Link, error)
	Ask(ctx context.Context, r id.Request) (Ask, error)
	AskByState(ctx context.Context, state string) (Ask, error)
	// AsksOf lists a holder's requests that are neither linked nor dead.
	AsksOf(ctx context.Context, sub id.Subject) ([]Ask, error)
	// EventsSeen is the number of the last hub event that was taken.
	EventsSeen(ctx context.Context) (int64, error)
}

// How long things may take: the bank lets an unopened or unconsented request expire after 30 minutes, an
// authenticated one 10 minutes after consent (L12).
const (
	AskLife      = 40 * time.Minute
	IdentityLife = 10 * time.Minute // of the signed objects until the bank first opens the request (L6)
	RedeemWithin = time.Minute      // after the browser came back, the code is worth nothing (L12)
	redeemLife   = 15 * time.Minute // after that the bank has let an unredeemed request die
)

// StageAt is the request's stage at a moment: one that no browser came back from in time is dead (L12).
func (a Ask) StageAt(now time.Time) AskStage {
	if (a.Stage == AskMade || a.Stage == AskPushed) && !now.Before(a.MadeAt.Add(AskLife)) {
		return AskDead
	}
	return a.Stage
}

// Cookie names and makes what the browser that asked keeps, and must bring back: derived from rs, but not what
// the hub and the bank were given of it.
func (a Ask) Cookie() (name, value string) {
	r := string(a.Request)
	return "__Host-link-" + r[len(r)-12:], wire.Hash("kozamori link cookie " + a.RS)
}

// Asking is what the browser is told: where to go, and what to keep.
type Asking struct {
	Ask Ask
	URL string
}

// MayAsk says why a holder cannot ask for a link at a bank now, or nil: level 2 first (L4), a device, a bank
// that takes links, and one link at a bank at a time (L7).
func (w *Wallet) MayAsk(ctx context.Context, h Holder, bank HubBank) error {
	const op = "wallet.MayAsk"
	if err := identity.MayLink(h.Level); err != nil {
		return err
	}
	if bank.State != BankOpen || !w.Messages.Knows(ctx, bank.Issuer) {
		return fault.Refuse("R10", op, fault.Text{
			JA: "この銀行は現在、新しい連携を受け付けていません。再開をお待ちいただくか、ほかの銀行をお選びください。",
			EN: "This bank takes no new links at present. Please wait until it does again, or choose another bank."})
	}
	links, err := w.Store.LinksOf(ctx, h.Subject)
	if err != nil {
		return err
	}
	for _, l := range links {
		if l.Issuer == bank.Issuer && !l.Over(w.Now()) && l.StateAt(w.Now()) != wire.LinkSuspended {
			return fault.Refuse("L7", op, fault.Text{
				JA: "この銀行の口座はすでに連携されています。", EN: "You have a link at this bank already."})
		}
	}
	return nil
}

// RequestLink makes a request for a link at a bank, signs it, and hands it to the hub. A request at the same
// bank that is still open dies for it: one browser, one request.
func (w *Wallet) RequestLink(ctx context.Context, h Holder, issuer id.Issuer) (Asking, error) {
	bank, err := w.Bank(ctx, issuer)
	if err != nil {
		return Asking{}, err
	}
	if err := w.MayAsk(ctx, h, bank); err != nil {
		return Asking{}, err
	}
	ask, push, err := w.makeAsk(ctx, h, bank)
	if err != nil {
		return Asking{}, err
	}
	rows, err := w.dropAsks(ctx, h.Subject, issuer)
	if err != nil {
		return Asking{}, err
	}
	if err := w.Store.Commit(ctx, append(rows, PutAsk{ask, 0})...); err != nil {
		return Asking{}, err
	}
	w.Wake()
	pushed, err := w.Hub.RequestLink(ctx, push)
	if err == nil && !strings.HasPrefix(pushed.URL, string(issuer)+"/") {
		err = fault.New(fault.Unavailable, "wallet.RequestLink", errors.New("the hub sends the browser elsewhere than to the bank"))
	}
	if err != nil {
		// Whether the bank has it or not: no browser was sent there, so it expires unopened.
		if dead := w.endAsk(ctx, ask, "refused", false); dead != nil {
			return Asking{}, errors.Join(err, dead)
		}
		return Asking{}, err
	}
	was := ask.Version
	ask.to(AskPushed)
	if err := w.Store.Commit(ctx, PutAsk{ask, was}); err != nil {
		return Asking{}, err
	}
	return Asking{ask, pushed.URL}, nil
}

// makeAsk signs what the bank will be shown: what is asked for, by whom, from which browser (L6, L12).
func (w *Wallet) makeAsk(ctx context.Context, h Holder, bank HubBank) (Ask, LinkPush, error) {
	fail := func(err error) (Ask, LinkPush, error) { return Ask{}, LinkPush{}, err }
	now := w.Now()
	d, err := w.Store.Device(ctx, h.Subject)
	if err != nil {
		return fail(err)
	}
	proof, err := w.Store.Proof(ctx, h.Subject)
	if err != nil {
		return fail(err)
	}
	details, err := wire.Details(wire.AccountLink{
		Type: wire.TypeAccountLink, Service: w.Profile.Service, Subject: h.Subject, Level: int(h.Level),
		Limits: w.Profile.Limits, ValidUntil: clock.Day(now.AddDate(w.Profile.Valid, 0, 0)), Device: d.Keys,
	})
	if err != nil {
		return fail(err)
	}
	ask := Ask{
		Request: id.Request(w.newID("req")), Subject: h.Subject, Issuer: bank.Issuer, Bank: bank.Bank, BankName: bank.Name,
		Stage: AskMade, State: w.newID("st"), RS: w.newID("rs"), Details: details, Device: d.Keys.Thumbprint(),
		MadeAt: now, Version: 1,
	}
	hash := wire.Hash(details)
	request, err := w.Messages.Sign(&wire.LinkRequest{
		Header: w.header(bank.Issuer, IdentityLife), Request: ask.Request, DetailsHash: hash,
		Browser: wire.Hash(ask.RS), RedirectURI: w.ReturnURL(),
	})
	if err != nil {
		return fail(err)
	}
	person, err := w.Messages.SealIdentity(ctx, bank.Issuer, &wire.Identity{
		Header: w.header(bank.Issuer, IdentityLife), Request: ask.Request, Subject: h.Subject, DetailsHash: hash,
		Level: int(h.Level), NameKana: proof.NameKana, BirthDate: proof.BirthDate, Phone: h.Phone,
	})
	if err != nil {
		return fail(err)
	}
	return ask, LinkPush{
		Request: ask.Request, Issuer: bank.Issuer, State: ask.State, RedirectURI: w.ReturnURL(),
		Details: details, LinkRequest: request, Identity: person,
	}, nil
}

// ReturnURL is the one page of the service that banks send browsers back to.
func (w *Wallet) ReturnURL() string { return w.Profile.Origin + "/link/return" }

// Bank finds a bank in the hub's list.
func (w *Wallet) Bank(ctx context.Context, issuer id.Issuer) (HubBank, error) {
	banks, err := w.Hub.Banks(ctx)
	if err != nil {
		return HubBank{}, err
	}
	i := slices.IndexFunc(banks, func(b HubBank) bool { return b.Issuer == issuer })
	if i < 0 {
		return HubBank{}, fault.New(fault.NotFound, "wallet.Bank", errNotFound)
	}
	return banks[i], nil
}

// dropAsks lets a holder's open requests die, at one bank or, where issuer is "", at all.
func (w *Wallet) dropAsks(ctx context.Context, sub id.Subject, issuer id.Issuer) ([]ledger.Write, error) {
	asks, err := w.Store.AsksOf(ctx, sub)
	if err != nil {
		return nil, err
	}
	var rows []ledger.Write
	for _, a := range asks {
		if issuer != "" && a.Issuer != issuer {
			continue
		}
		more, err := w.deadRows(a, "cancelled", a.Stage != AskMade)
		if err != nil {
			return nil, err
		}
		rows = append(rows, more...)
	}
	return rows, nil
}

// endAsk lets a request die; where the bank may know of it, the signed abort goes into the outbox in the same
// commit (L12).
func (w *Wallet) endAsk(ctx context.Context, a Ask, reason string, abort bool) error {
	rows, err := w.deadRows(a, reason, abort)
	if err != nil {
		return err
	}
	if err := w.Store.Commit(ctx, rows...); err != nil {
		return err
	}
	w.Wake()
	return nil
}

func (w *Wallet) deadRows(a Ask, reason string, abort bool) ([]ledger.Write, error) {
	was := a.Version
	a.to(AskDead)
	a.Reason, a.EndedAt, a.RS = reason, w.Now(), ""
	rows := []ledger.Write{PutAsk{a, was}}
	if !abort {
		return rows, nil
	}
	word := reason
	if word != "other_browser" && word != "timeout" {
		word = "cancelled"
	}
	signed, err := w.Messages.Sign(&wire.Abort{Header: w.header(a.Issuer, 0), Request: a.Request, Reason: word})
	if err != nil {
		return nil, err
	}
	return append(rows, outbox.Message{Kind: KindAbort, Key: string(a.Request), To: string(a.Issuer), Payload: []byte(signed)}), nil
}
