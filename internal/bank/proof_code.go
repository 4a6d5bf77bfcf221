package bank

import (
	"context"
	"crypto/hmac"
	"fmt"
	"time"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/outbox"
)

// MessageCode is the outbox's kind of one-time codes.
const MessageCode = "bank.code"

// CodesAsked is how often one session may ask for a code, whether one was sent or not.
const CodesAsked = 3

// SendCode sends a one-time code to the phone the bank itself proved, if there is one and every rule allows
// it (L14, L15). Whether one was sent, nobody is told: the answer is the same (L3). asked is false once the
// session has asked too often.
func (b *Bank) SendCode(ctx context.Context, p Proof) (asked bool, err error) {
	if !p.takesCode() || p.CodesAsked >= CodesAsked || !b.Policy.Code {
		return false, nil
	}
	now, version := b.Now(), p.Version
	p.CodesAsked++
	p.Version++
	phone, why, err := b.phoneFor(ctx, p, now)
	if err != nil {
		return false, err
	}
	write := func(p Proof, why string, rows ...ledger.Write) error {
		return b.Store.Commit(ctx, append(rows, PutProof{Proof: p, IfVersion: version},
			b.decision(p.Reference, now, map[string]string{"step": "code", "result": why}))...)
	}
	if why == "" {
		code, sent := b.digits6(), p
		sent.CodeHash, sent.CodeUntil = b.codeHash(p, code), now.Add(CodeLife)
		err = write(sent, "sent", CodeSent{Account: p.Account, Proof: p.ID, Budget: p.budget(), At: now}, b.smsRow(phone, b.codeText(p, code), p.codeRef(), now))
		if fault.RuleOf(err) == "L15" { // others took the day's last code since it was counted
			why = codesUsedUp
		}
	}
	if why == codesUsedUp {
		told, cannot := b.Tell(ctx, Event{Kind: EventCodes, Account: p.Account, Count: CodesPerDay, At: now})
		if cannot != nil {
			return false, cannot
		}
		err = write(p, why, append(told, BudgetTold{Account: p.Account, Proof: p.ID, Budget: p.budget(), At: now})...)
	}
	if why != "" && (why != codesUsedUp || fault.RuleOf(err) == "L15") { // the depositor was told before
		err = write(p, why)
	}
	if fault.Of(err) == fault.Conflict && err != nil { // the same proof asked at the same moment
		return false, nil
	}
	b.Wake()
	return err == nil, err
}

// CodeBudget is what codes of one account are counted for. Who uses up those of one keeps nobody from what the
// others are for (D2).
type CodeBudget string

// The budgets, each of CodesPerDay. Only that of the portal is open to whoever knows no more than an account and
// a date of birth.
const (
	CodesForLinks  CodeBudget = "link"   // after a full match with what a service proved
	CodesForPortal CodeBudget = "portal" // signing in, from any browser
	CodesForHolder CodeBudget = "holder" // signing in where she did before, and all she does signed in
)

func (p Proof) budget() CodeBudget {
	switch {
	case p.Purpose == ForLink:
		return CodesForLinks
	case p.Purpose == ForPortal && !p.Known:
		return CodesForPortal
	}
	return CodesForHolder
}

// codeRef is what a carrier knows the newest code of a proof by. It drops a repeat, so each code has its own.
func (p Proof) codeRef() string { return fmt.Sprintf("%s/%d", p.ID, p.CodesAsked) }

// codesUsedUp is why no code was sent, in the decision log.
const codesUsedUp = "codes of the day are used up"

// takesCode says whether a typed code may still prove it. Confirming takes strong proofs only: a typed code
// lifts no cap that a typed code has caused (L13).
func (p Proof) takesCode() bool {
	return p.Kind == "" && p.Tries < CodeTries && p.Purpose != ForConfirm
}

// phoneFor finds where a code may go, or why none may.
func (b *Bank) phoneFor(ctx context.Context, p Proof, now time.Time) (Contact, string, error) {
	if p.Account == "" {
		return Contact{}, "no account", nil
	}
	if p.Near {
		return Contact{}, "the name is close, not exact", nil
	}
	sent, err := b.Store.CodesSince(ctx, p.Account, p.budget(), now.Add(-24*time.Hour))
	if err != nil || sent >= CodesPerDay {
		return Contact{}, codesUsedUp, err
	}
	ok, err := b.fresh(ctx, p, now)
	if err != nil || !ok {
		return Contact{}, "a contact, PIN or passkey changed lately", err
	}
	contacts, err := b.Store.Contacts(ctx, p.Account)
	if err != nil {
		return Contact{}, "", err
	}
	for _, c := range contacts {
		if c.Channel == SMS && c.Current() && !c.ProvedAt.IsZero() {
			return c, "", nil
		}
	}
	return Contact{}, "no phone that the bank proved", nil
}

// codeHash binds a code to issuer, purpose and session (L15).
func (b *Bank) codeHash(p Proof, code string) []byte {
	return b.mac(b.Keys.Code, "one-time code", string(b.Profile.Issuer), string(p.Purpose), string(p.ID), code)
}

// CheckCode judges a typed code: three tries, once, five minutes. Anything but possession is the same error,
// which NotProved knows.
func (b *Bank) CheckCode(ctx context.Context, p Proof, code string) (Possession, error) {
	now, version := b.Now(), p.Version
	if !p.takesCode() {
		return Possession{}, errNotProved
	}
	p.Tries++
	p.Version++
	// The try is counted before it is judged: tries in parallel cannot be more than three.
	err := b.Store.Commit(ctx, PutProof{Proof: p, IfVersion: version})
	if err != nil {
		if fault.Of(err) == fault.Conflict {
			return Possession{}, errNotProved
		}
		return Possession{}, err
	}
	sent := p.CodeHash != nil && p.Account != "" && now.Before(p.CodeUntil)
	right := hmac.Equal(b.codeHash(p, code), p.CodeHash)
	if !sent || !right {
		return Possession{}, errNotProved
	}
	return b.proved(ctx, p, ProofCode)
}

// codeText is what the phone shows: for whom, for what, in whose name (L15), and never a link.
func (b *Bank) codeText(p Proof, code string) string {
	bankName := b.Profile.Name.JA
	warn := "電話やほかの人に伝えないでください。/ Never tell anyone this code."
	switch p.Purpose {
	case ForLink:
		name := b.Services[p.Service].Name
		return "【" + bankName + "】確認コード " + code + "　" + name.JA + "との口座連携（" + p.Holder + "様の名義、" + p.Cap +
			"）。心当たりがなければ入力しないでください。" + warn
	case ForEnrol:
		return "【" + bankName + "】確認コード " + code + "　パスキーの登録。" + warn
	case ForConfirm:
		return "【" + bankName + "】確認コード " + code + "　口座連携の確認。" + warn
	case ForUndo:
		return "【" + bankName + "】確認コード " + code + "　停止の解除。" + warn
	default:
		return "【" + bankName + "】確認コード " + code + "　お客さまページへのサインイン。" + warn
	}
}

// codeLetter is the outbox's payload of a one-time code. Its text was made when the code was.
type codeLetter struct {
	To   string `json:"to"`
	Text string `json:"text"`
	Ref  string `json:"ref"`
}

func (b *Bank) smsRow(to Contact, words, ref string, at time.Time) ledger.Write {
	return b.message(MessageCode, "code/"+string(to.Account), codeLetter{To: to.Address, Text: words, Ref: ref}, at)
}

// SendCodeMessage is the outbox's handler of MessageCode. A code that could not be sent while it was good is
// dropped: the person has asked for another.
func (b *Bank) SendCodeMessage(ctx context.Context, carrier Carrier, m outbox.Message) error {
	var l codeLetter
	if err := b.open(m, &l); err != nil {
		return err
	}
	if b.Now().After(m.Due.Add(CodeLife)) {
		return nil
	}
	return carrier.SendSMS(ctx, l.To, l.Text, l.Ref)
}
