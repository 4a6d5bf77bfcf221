package wallet

import (
	"context"
	"crypto/subtle"
	"fmt"
	"math/big"
	"time"

	"crypto/rand"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/observe"
)

// The bounds of one-time codes: 15 guesses a day at a million possibilities in each budget, for whoever asks.
const (
	CodeLife     = 10 * time.Minute
	CodeTries    = 3
	CodesPerDay  = 5                // to one contact in one budget, in CodeBudgetSpan
	CodeInterval = 20 * time.Second // between two to one contact in one budget

	CodeBudgetSpan = 24 * time.Hour
)

// Code is a one-time code that was sent to a contact. The digits themselves are kept nowhere.
type Code struct {
	ID        string // "cod_…"
	Errand    string // what it is for
	Contact   []byte // fingerprint of the address and of the CodeBudget
	Hash      []byte // keyed, over ID and digits
	TriesLeft int
	SentAt    time.Time
	Until     time.Time
	UsedAt    time.Time // zero: not yet
}

// CodeBudget is what codes to one contact are counted for. Who uses up those of one keeps nobody from what the
// others are for.
type CodeBudget string

// The budgets, each of CodesPerDay. The first two are open to whoever types a contact.
const (
	CodesForSignUp   CodeBudget = "signup"
	CodesForRecovery CodeBudget = "recovery" // in a browser that nobody knows
	CodesForHolder   CodeBudget = "holder"   // recovery in a browser where she was signed in before
	CodesForChange   CodeBudget = "change"   // to a new contact of somebody signed in
)

func (e Errand) budget() CodeBudget {
	switch {
	case e.Kind == SignUp:
		return CodesForSignUp
	case e.Kind == Recover && e.Known:
		return CodesForHolder
	case e.Kind == Recover:
		return CodesForRecovery
	}
	return CodesForChange
}

// codeMark is what codes to a contact are counted under.
func (w *Wallet) codeMark(budget CodeBudget, kind ContactKind, to string) []byte {
	return w.Secrets.MAC("codes to a contact", string(budget), string(kind), to)
}

// PutCode writes a code; IfTries is the number of tries stored now, -1 if there must be no such code. So two
// guesses at the same time cannot share a try. A new code past its budget (CodesPerDay,
// CodeInterval) is fault.Conflict, counted in the transaction that writes it: of many requests at the same time
// one sends a code.
type PutCode struct {
	Code    Code
	IfTries int
}

// open says whether a code can still be right.
func (c Code) open(now time.Time) bool {
	return c.TriesLeft > 0 && c.UsedAt.IsZero() && now.Before(c.Until)
}

// newCode makes a code for an errand to its contact, within the budget; past it the error is fault.Busy, the same
// whether or not somebody owns the contact.
func (w *Wallet) newCode(ctx context.Context, e Errand, kind ContactKind, to string) (Code, observe.Secret, error) {
	now, contact := w.Now(), w.codeMark(e.budget(), kind, to)
	n, last, err := w.Store.CodesSince(ctx, contact, now.Add(-CodeBudgetSpan))
	if err != nil {
		return Code{}, "", err
	}
	if n >= CodesPerDay || (n > 0 && now.Before(last.Add(CodeInterval))) {
		return Code{}, "", tooManyCodes(nil)
	}
	digits, err := rand.Int(w.Rand, big.NewInt(1_000_000))
	if err != nil {
		return Code{}, "", fault.New(fault.Internal, "wallet.newCode", err)
	}
	text := fmt.Sprintf("%06d", digits)
	c := Code{ID: w.newID("cod"), Errand: e.ID, Contact: contact, TriesLeft: CodeTries, SentAt: now, Until: now.Add(CodeLife)}
	c.Hash = w.codeHash(c.ID, text)
	return c, observe.Secret(text), nil
}

func tooManyCodes(cause error) error {
	return &fault.Error{Kind: fault.Busy, Op: "wallet.newCode", Err: cause, Public: fault.Text{
		JA: "コードの送信回数が上限に達しました。しばらく待ってからやり直してください。",
		EN: "Too many codes were sent. Please wait and try again."}}
}

// useCode spends a try. It answers the row to write beside what the code allows where the digits are right;
// where they are wrong it writes the row itself and refuses. All ways of being wrong look the same.
func (w *Wallet) useCode(ctx context.Context, codeID, errand, typed string) (PutCode, error) {
	now := w.Now()
	c, err := w.Store.Code(ctx, codeID)
	if err != nil && fault.Of(err) != fault.NotFound {
		return PutCode{}, err
	}
	if err != nil || c.Errand != errand || !c.open(now) {
		return PutCode{}, wrongCode()
	}
	put := PutCode{Code: c, IfTries: c.TriesLeft}
	put.Code.TriesLeft--
	if subtle.ConstantTimeCompare(w.codeHash(c.ID, foldDigits(typed)), c.Hash) == 1 {
		put.Code.UsedAt = now
		return put, nil
	}
	if err := w.Store.Commit(ctx, put); err != nil && fault.Of(err) != fault.Conflict {
		return PutCode{}, err
	}
	return PutCode{}, wrongCode()
}

func (w *Wallet) codeHash(codeID, digits string) []byte { return w.Secrets.MAC("code", codeID, digits) }

func wrongCode() error {
	return &fault.Error{Kind: fault.Invalid, Op: "wallet.useCode", Public: fault.Text{
		JA: "コードが違うか、期限が切れています。", EN: "The code is wrong or has expired."}}
}

// foldDigits takes what people type for six digits: full width, spaces.
func foldDigits(s string) string {
	out := make([]byte, 0, 6)
	for _, r := range s {
		switch {
		case r >= '0' && r <= '9':
			out = append(out, byte(r))
		case r >= '０' && r <= '９':
			out = append(out, byte(r-'０'+'0'))
		case r == ' ' || r == '　' || r == '-':
		default:
			return ""
		}
		if len(out) > 6 {
			return ""
		}
	}
	return string(out)
}
