package wallet

import (
	"context"
	"time"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/identity"
	"github.com/kozamori/kozamori/internal/ledger"
)

// ErrandKind is what somebody does about an account by typing codes.
type ErrandKind string

// The errands.
const (
	SignUp      ErrandKind = "signup"
	Recover     ErrandKind = "recover" // the device is lost
	ChangeEmail ErrandKind = "change_email"
	ChangePhone ErrandKind = "change_phone"
)

// Step is what an errand waits for.
type Step string

// The steps. Sign-up takes all of them, recovery all but GivePhone, a change its one code.
const (
	EmailCode Step = "email_code"
	GivePhone Step = "phone"
	PhoneCode Step = "phone_code"
	AddDevice Step = "device"
	ErrandEnd Step = "done"
)

// ErrandLife is how long an errand may take.
const ErrandLife = 30 * time.Minute

// steps says what follows what.
var steps = map[ErrandKind][]Step{
	SignUp:      {EmailCode, GivePhone, PhoneCode, AddDevice, ErrandEnd},
	Recover:     {EmailCode, PhoneCode, AddDevice, ErrandEnd},
	ChangeEmail: {EmailCode, ErrandEnd},
	ChangePhone: {PhoneCode, ErrandEnd},
}

// Errand is somebody on the way through codes. Whether the contact she typed belongs to a holder already, or to
// none, shows in nothing she can see before she has proved that it is hers.
type Errand struct {
	ID      string // "ern_…"; it lives in her session
	Kind    ErrandKind
	Step    Step
	Subject id.Subject // the holder, or at sign up the holder to be; "" where there is none to recover
	Blind   bool       // no code will ever be right: the contact is taken, or nobody's
	Known   bool       // the browser is one where the holder was signed in before
	Email   string
	Phone   string
	Lang    string
	Code    string // the code that is waited for
	Until   time.Time
	Version int64
}

// PutErrand writes an errand; IfVersion is the version stored now, 0 if there must be none.
type PutErrand struct {
	Errand    Errand
	IfVersion int64
}

func (e Errand) next() Step {
	list := steps[e.Kind]
	for i, s := range list[:len(list)-1] {
		if s == e.Step {
			return list[i+1]
		}
	}
	return ErrandEnd
}

// StartSignUp begins an account with the e-mail address as typed, and sends a code to it.
func (w *Wallet) StartSignUp(ctx context.Context, typed, lang string) (Errand, error) {
	email, err := FoldEmail(typed)
	if err != nil {
		return Errand{}, err
	}
	e := w.newErrand(SignUp, lang)
	e.Subject, e.Email = id.Subject(w.newID("sub")), email
	_, err = w.Store.HolderByEmail(ctx, w.mark(Email, email))
	if err != nil && fault.Of(err) != fault.NotFound {
		return Errand{}, err
	}
	e.Blind = err == nil
	return w.sendCode(ctx, e)
}

// StartRecovery begins the way back into an account whose device is lost, in a browser that has a KnownMark or not.
func (w *Wallet) StartRecovery(ctx context.Context, typed, lang, mark string) (Errand, error) {
	email, err := FoldEmail(typed)
	if err != nil {
		return Errand{}, err
	}
	e := w.newErrand(Recover, lang)
	e.Email = email
	h, err := w.Store.HolderByEmail(ctx, w.mark(Email, email))
	switch {
	case err == nil:
		e.Subject, e.Phone = h.Subject, h.Phone
	case fault.Of(err) == fault.NotFound:
		e.Blind = true
	default:
		return Errand{}, err
	}
	e.Known = w.knows(e.Subject, mark)
	return w.sendCode(ctx, e)
}

// StartChange begins a change of a holder's contact and sends a code to the new one. The caller has just seen
// her device sign.
func (w *Wallet) StartChange(ctx context.Context, h Holder, kind ContactKind, typed string) (Errand, error) {
	e := w.newErrand(ChangeEmail, h.Lang)
	e.Subject, e.Email, e.Phone = h.Subject, h.Email, h.Phone
	var err error
	if kind == Email {
		e.Email, err = FoldEmail(typed)
	} else {
		e.Kind, e.Step = ChangePhone, PhoneCode
		e.Phone, err = FoldPhone(typed, w.Profile.Phones)
	}
	if err != nil {
		return Errand{}, err
	}
	if e.Blind, err = w.taken(ctx, e); err != nil {
		return Errand{}, err
	}
	return w.sendCode(ctx, e)
}

// TakePhone takes the phone number of a sign-up, and sends a code to it.
func (w *Wallet) TakePhone(ctx context.Context, errand, typed string) (Errand, error) {
	e, err := w.Errand(ctx, errand, GivePhone, PhoneCode)
	if err != nil {
		return Errand{}, err
	}
	if e.Kind != SignUp {
		return Errand{}, goneErrand()
	}
	if e.Phone, err = FoldPhone(typed, w.Profile.Phones); err != nil {
		return Errand{}, err
	}
	e.Step = PhoneCode
	if e.Blind, err = w.taken(ctx, e); err != nil {
		return Errand{}, err
	}
	return w.sendCode(ctx, e)
}

// SendAgain sends another code for the step an errand is at.
func (w *Wallet) SendAgain(ctx context.Context, errand string) (Errand, error) {
	e, err := w.Errand(ctx, errand, EmailCode, PhoneCode)
	if err != nil {
		return Errand{}, err
	}
	return w.sendCode(ctx, e)
}

// TypeCode takes a code as typed and moves the errand on. A change of contact is done with it, and the banks
// of the holder's links hear of it in the same commit (L9).
func (w *Wallet) TypeCode(ctx context.Context, errand, typed string) (Errand, error) {
	e, err := w.Errand(ctx, errand, EmailCode, PhoneCode)
	if err != nil {
		return Errand{}, err
	}
	used, err := w.useCode(ctx, e.Code, e.ID, typed)
	if err != nil {
		return Errand{}, err
	}
	if e.Blind { // a code nobody was sent cannot be right; were it, it would still open nothing
		return Errand{}, wrongCode()
	}
	was := e.Version
	e.Step, e.Code, e.Version = e.next(), "", was+1
	rows := []ledger.Write{used, PutErrand{e, was}}
	if e.Kind == ChangeEmail || e.Kind == ChangePhone {
		more, err := w.contactChanged(ctx, e)
		if err != nil {
			return Errand{}, err
		}
		rows = append(rows, more...)
	}
	if err := w.Store.Commit(ctx, rows...); err != nil {
		if fault.Of(err) == fault.Conflict {
			return Errand{}, wrongCode()
		}
		return Errand{}, err
	}
	w.Wake()
	if e.Kind == Recover && e.Step == PhoneCode {
		return w.sendCode(ctx, e)
	}
	return e, nil
}

// contactChanged is what a proved new contact writes.
func (w *Wallet) contactChanged(ctx context.Context, e Errand) ([]ledger.Write, error) {
	h, err := w.Store.Holder(ctx, e.Subject)
	if err != nil {
		return nil, err
	}
	before, change := h, ChangedEmail
	if e.Kind == ChangeEmail {
		h.Email = e.Email
	} else {
		h.Phone, change = e.Phone, ChangedPhone
	}
	rows, err := w.changeLinks(ctx, h.Subject, change)
	if err != nil {
		return nil, err
	}
	rows = append(rows, w.putHolder(h, h.Version))
	return append(rows, w.noticeChange(before, change)...), nil
}

// Errand reads an errand that is not over and at one of these steps; otherwise fault.Gone.
func (w *Wallet) Errand(ctx context.Context, errand string, at ...Step) (Errand, error) {
	e, err := w.Store.Errand(ctx, errand)
	if err != nil {
		if fault.Of(err) == fault.NotFound {
			return Errand{}, goneErrand()
		}
		return Errand{}, err
	}
	if !w.Now().Before(e.Until) {
		return Errand{}, goneErrand()
	}
	for _, s := range at {
		if e.Step == s {
			return e, nil
		}
	}
	return Errand{}, goneErrand()
}

func goneErrand() error {
	return &fault.Error{Kind: fault.Gone, Op: "wallet.Errand", Public: fault.Text{
		JA: "時間が経ちすぎたか、手続きが終わっています。最初からやり直してください。",
		EN: "This took too long or is done already. Please start again."}}
}

func (w *Wallet) newErrand(kind ErrandKind, lang string) Errand {
	if lang != "en" {
		lang = "ja"
	}
	return Errand{ID: w.newID("ern"), Kind: kind, Step: steps[kind][0], Lang: lang, Until: w.Now().Add(ErrandLife)}
}

// taken says whether the contact an errand is about belongs to another holder.
func (w *Wallet) taken(ctx context.Context, e Errand) (bool, error) {
	kind, value, find := Email, e.Email, w.Store.HolderByEmail
	if e.Step == PhoneCode {
		kind, value, find = Phone, e.Phone, w.Store.HolderByPhone
	}
	h, err := find(ctx, w.mark(kind, value))
	if fault.Of(err) == fault.NotFound && err != nil {
		return false, nil
	}
	return err == nil && h.Subject != e.Subject, err
}

// sendCode puts a code for the errand's step into the outbox and the errand beside it. A blind errand costs
// the same: a code that fits no digits, and to a contact that is taken a word about it.
func (w *Wallet) sendCode(ctx context.Context, e Errand) (Errand, error) {
	kind, to := Email, e.Email
	if e.Step == PhoneCode {
		kind, to = Phone, e.Phone
	}
	code, digits, err := w.newCode(ctx, e, kind, to)
	if err != nil {
		return Errand{}, err
	}
	rows := []ledger.Write{}
	switch {
	case !e.Blind:
		rows = append(rows, w.codeMessage(kind, to, e, digits))
	default:
		code.Hash = w.Secrets.MAC("nobody", code.ID)
		if e.Kind != Recover {
			rows = append(rows, w.takenMessage(kind, to, e))
		}
	}
	was := e.Version
	e.Code, e.Version = code.ID, was+1
	rows = append(rows, PutCode{code, -1}, PutErrand{e, was})
	if err := w.Store.Commit(ctx, rows...); err != nil {
		if fault.Of(err) == fault.Conflict { // another request was first: to the contact, or in this errand
			return Errand{}, tooManyCodes(err)
		}
		return Errand{}, err
	}
	w.Wake()
	return e, nil
}

// openAccount is what a sign-up writes once the device is there: the holder, her device, her accounts.
func (w *Wallet) openAccount(ctx context.Context, e Errand, d Device) (Holder, error) {
	now := w.Now()
	h := Holder{Subject: e.Subject, Level: identity.Contacts, Email: e.Email, Phone: e.Phone, Lang: e.Lang, CreatedAt: now, Version: 1}
	was := e.Version
	e.Step, e.Version = ErrandEnd, was+1
	rows := []ledger.Write{w.putHolder(h, 0), PutDevice{d}, PutErrand{e, was}}
	// The accounts first: without a holder they are empty lines, a holder without them could not pay.
	if err := w.OpenBooks(ctx, h.Subject); err != nil {
		return Holder{}, err
	}
	if err := w.Store.Commit(ctx, rows...); err != nil {
		if fault.Of(err) == fault.Conflict {
			return Holder{}, goneErrand()
		}
		return Holder{}, err
	}
	return h, nil
}

// OpenBooks opens a holder's accounts in the ledger; repeated, it changes nothing.
func (w *Wallet) OpenBooks(ctx context.Context, sub id.Subject) error {
	return w.openAll(ctx, w.HolderAccounts(sub))
}
