package wallet

import (
	"context"
	"encoding/base32"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/money"
	"github.com/kozamori/kozamori/internal/wire"
)

const (
	// PayCodeLife is how long a payment code may be presented (M11).
	PayCodeLife = 60 * time.Second
	payCodeBits = 80

	// RuleIdempotency names the errors of an idempotency key: missing, malformed, or known with another body.
	RuleIdempotency = "idempotency_error"

	maxShopText = 100 // bytes of terminal and order
	maxIdemKey  = 255
)

var payCodeAlphabet = base32.NewEncoding("0123456789ABCDEFGHJKMNPQRSTVWXYZ").WithPadding(base32.NoPadding)

// MakePayCode makes a payment code for a holder: 80 bits nobody can guess, that live 60 s. It is shown, never kept;
// the codes she made before are burnt.
func (w *Wallet) MakePayCode(ctx context.Context, sub id.Subject) (code string, row PayCode, err error) {
	now := w.Now()
	row = PayCode{Payment: PaymentID(w.newID("pay")), Subject: sub, MadeAt: now, ExpiresAt: now.Add(PayCodeLife)}
	code = w.payCode(row.Payment)
	row.Hash = payCodeHash(code)
	if err := w.Store.Commit(ctx, PutPayCode{row}); err != nil {
		return "", PayCode{}, err
	}
	return code, row, nil
}

// ShowPayCode is the code a holder can be paid with now: the last one while it lives and nobody has presented it,
// otherwise a new one. So a page that is opened once more voids no code that is just being scanned.
func (w *Wallet) ShowPayCode(ctx context.Context, sub id.Subject) (code string, row PayCode, err error) {
	code, row, err = w.LivePayCode(ctx, sub)
	if err != nil && fault.Of(err) == fault.NotFound {
		return w.MakePayCode(ctx, sub)
	}
	return code, row, err
}

// LivePayCode is the code that a holder has shown and nobody presented yet; fault.NotFound for none. It makes none.
func (w *Wallet) LivePayCode(ctx context.Context, sub id.Subject) (code string, row PayCode, err error) {
	row, err = w.Store.LivePayCode(ctx, sub, w.Now())
	if err != nil {
		return "", PayCode{}, err
	}
	if code = w.payCode(row.Payment); payCodeHash(code) != row.Hash { // made under another key
		return "", PayCode{}, fault.New(fault.NotFound, "wallet.LivePayCode", nil)
	}
	return code, row, nil
}

// payCode is the code of a payment to be: keyed, so that it can be shown again although only its hash is kept.
func (w *Wallet) payCode(p PaymentID) string {
	return payCodeAlphabet.EncodeToString(w.Secrets.MAC("payment code", string(p))[:payCodeBits/8])
}

func payCodeHash(code string) string { return wire.Hash("kozamori payment code " + code) }

// readPayCode takes a code as scanned or typed: spaces and hyphens between groups, either case, and the letters
// that are left out of the alphabet for what they look like.
func readPayCode(s string) (string, bool) {
	s = strings.Map(func(r rune) rune {
		switch r {
		case 'O', 'o':
			return '0'
		case 'I', 'i', 'L', 'l':
			return '1'
		}
		if unicode.IsSpace(r) || r == '-' {
			return -1
		}
		return unicode.ToUpper(r)
	}, s)
	b, err := payCodeAlphabet.DecodeString(s)
	return s, err == nil && len(b) == payCodeBits/8 && len(s) == payCodeBits/5
}

// Presented is what a shop asks when it has read a payer's code.
type Presented struct {
	Code     string
	Amount   money.Yen
	Terminal string
	Order    string
}

func (p Presented) hash() string {
	return wire.Hash(fmt.Sprintf("%q %d %q %q", p.Code, p.Amount, p.Terminal, p.Order))
}

// Pay takes a payment for a shop. The first presentation of a code burns it, whatever follows. The same
// request under the same idempotency key answers the same payment (replayed is true), at the same moment after
// having waited for the first; another request under it is refused with RuleIdempotency. A code that is unknown, expired or used is fault.Gone and leaves nothing
// under the key. A payment that a rule refuses is answered as a Payment with its reason, and stays so.
func (w *Wallet) Pay(ctx context.Context, shop Shop, key string, p Presented) (pay Payment, replayed bool, err error) {
	const op = "wallet.Pay"
	if err := checkIdemKey(key); err != nil {
		return Payment{}, false, err
	}
	idem := IdemKey{Client: string(shop.ID), Endpoint: "payments", Key: key}
	unlock := w.shopKeys.lock(idem) // another request under it must not burn a code before it is refused
	defer unlock()
	idem.BodyHash = p.hash()
	if pay, err := w.replay(ctx, idem); fault.Of(err) != fault.NotFound || err == nil {
		return pay, true, err
	}
	if err := p.check(); err != nil {
		return Payment{}, false, err
	}
	code, _ := readPayCode(p.Code)
	by := wire.Hash(idem.Client + "\n" + idem.Endpoint + "\n" + idem.Key + "\n" + idem.BodyHash)
	burnt, err := w.Store.BurnPayCode(ctx, payCodeHash(code), by, w.Now())
	switch {
	case fault.Of(err) == fault.NotFound && err != nil:
		return Payment{}, false, &fault.Error{Kind: fault.Gone, Op: op, Rule: "M11", Public: textCodeGone, Err: err}
	case err != nil:
		return Payment{}, false, err
	case burnt.BurntBy != by || !burnt.BurntAt.Before(burnt.ExpiresAt):
		return Payment{}, false, &fault.Error{Kind: fault.Gone, Op: op, Rule: "M11", Public: textCodeGone,
			Err: errors.New("used or expired")}
	}
	pay, err = w.take(ctx, shop, burnt, p, idem)
	if conflicts(err) { // the same key at the same moment
		pay, err = w.replay(ctx, idem)
		return pay, true, err
	}
	return pay, false, err
}

// checkIdemKey refuses a key that is missing, too long, or not of printable ASCII: what one program writes and
// another reads must be the same bytes.
func checkIdemKey(key string) error {
	text := textIdemShape
	switch {
	case key == "":
		text = textIdemMissing
	case len(key) <= maxIdemKey && !strings.ContainsFunc(key, func(r rune) bool { return r < ' ' || r > '~' }):
		return nil
	}
	return &fault.Error{Kind: fault.Invalid, Op: "wallet.Pay", Rule: RuleIdempotency, Public: text}
}

// check refuses what no payment can be made of.
func (p Presented) check() error {
	refuse := func(rule string, text fault.Text) error {
		return &fault.Error{Kind: fault.Invalid, Op: "wallet.Pay", Rule: rule, Public: text}
	}
	if !shopText(p.Terminal) {
		return refuse("", textTerminal)
	}
	if !shopText(p.Order) {
		return refuse("", textOrder)
	}
	if _, ok := readPayCode(p.Code); !ok {
		return refuse("M11", textCodeShape)
	}
	return nil
}

// shopText says whether a shop's own words can stand in the books, where the order is the memo of the transfer, and on
// the payer's page: short, one line, and nothing unseen that turns the words beside it round.
func shopText(s string) bool {
	return len(s) <= maxShopText && utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)
	})
}

// replay answers what came of the first request under a key; fault.NotFound where there was none.
func (w *Wallet) replay(ctx context.Context, k IdemKey) (Payment, error) {
	payment, body, err := w.Store.Idem(ctx, k.Client, k.Endpoint, k.Key)
	if err != nil {
		return Payment{}, err
	}
	if body != k.BodyHash {
		return Payment{}, &fault.Error{Kind: fault.Invalid, Op: "wallet.Pay", Rule: RuleIdempotency, Public: textIdem}
	}
	return w.Store.Payment(ctx, payment)
}

// take decides a payment and commits it with the transfer and the idempotency key. It is done at most once for
// a code: the transfer's id was made with the code.
func (w *Wallet) take(ctx context.Context, shop Shop, code PayCode, p Presented, idem IdemKey) (Payment, error) {
	pay := Payment{
		ID: code.Payment, Shop: shop.ID, Subject: code.Subject, Amount: p.Amount,
		Terminal: p.Terminal, Order: p.Order, State: PaymentDone, At: w.Now(),
	}
	links, err := w.Store.LinksOf(ctx, code.Subject)
	if err != nil {
		return Payment{}, err
	}
	if err := w.mature(ctx, links); err != nil {
		return Payment{}, err
	}
	unlock := w.subjects.lock(code.Subject)
	defer unlock()
	move, reason, err := w.paymentMove(ctx, shop, &pay, links)
	if err != nil {
		return Payment{}, err
	}
	if reason != "" {
		return w.refusePayment(ctx, pay, reason, idem)
	}
	r, err := w.Ledger.Submit(ctx, ledger.Request{At: pay.At, Do: move, Then: func(r ledger.Result) []ledger.Write {
		if !r.OK() {
			return nil
		}
		return []ledger.Write{PutPayment{pay}, PutIdem{idem, pay.ID, pay.At}}
	}})
	switch {
	case err != nil:
		return Payment{}, err
	case r.Outcome == ledger.Frozen:
		return w.refusePayment(ctx, pay, "frozen", idem)
	case r.Repeated || r.Outcome == ledger.Mismatch:
		return w.Store.Payment(ctx, pay.ID)
	case r.Outcome == ledger.Insufficient:
		return w.refusePayment(ctx, pay, "funds", idem)
	case !r.OK():
		return Payment{}, fault.New(fault.Internal, "wallet.take", fmt.Errorf("the ledger answers %d", r.Outcome))
	}
	return pay, nil
}

// paymentMove chooses where a payment comes from: maturing money first, for it can do less; shops that sell
// what is like cash get available money only (M10). A reason says why the payment is refused.
func (w *Wallet) paymentMove(ctx context.Context, shop Shop, pay *Payment, links []Link) (ledger.Move, string, error) {
	if pay.Amount < 1 || pay.Amount > MaxHolderCap {
		return ledger.Move{}, "amount", nil
	}
	maturing := maturingOf(pay.Subject, links)
	slices.Reverse(maturing) // LinksOf lists the newest first; the oldest money goes first
	young, err := w.sources(ctx, maturing)
	if err != nil {
		return ledger.Move{}, "", err
	}
	free, err := w.sources(ctx, []ledger.AccountID{Available(pay.Subject)})
	if err != nil {
		return ledger.Move{}, "", err
	}
	to := ShopAccount(shop.ID)
	all, short := takeFrom(append(young, free...), to, pay.Amount)
	if shop.CashLike {
		had := short == 0
		if all, short = takeFrom(free, to, pay.Amount); short > 0 && had {
			return ledger.Move{}, "cash_like", nil
		}
	}
	if short > 0 {
		return ledger.Move{}, "funds", nil
	}
	for _, leg := range all {
		if leg.Debit != Available(pay.Subject) {
			pay.FromMaturing += leg.Amount
		}
	}
	return ledger.Move{ID: ledger.TransferID(pay.ID), Kind: "payment", Legs: all, Memo: pay.Order}, "", nil
}

func (w *Wallet) refusePayment(ctx context.Context, pay Payment, reason string, idem IdemKey) (Payment, error) {
	pay.State, pay.Reason, pay.FromMaturing = PaymentRefused, reason, 0
	return pay, w.Store.Commit(ctx, PutPayment{pay}, PutIdem{idem, pay.ID, pay.At})
}

// PaymentOf is a shop's own payment; another's is not found.
func (w *Wallet) PaymentOf(ctx context.Context, shop Shop, p PaymentID) (Payment, error) {
	pay, err := w.Store.Payment(ctx, p)
	if err == nil && pay.Shop != shop.ID {
		return Payment{}, fault.New(fault.NotFound, "wallet.PaymentOf", errors.New("another shop's"))
	}
	return pay, err
}

// Presentation is what a payer's page shows of a code.
type Presentation struct {
	Code    PayCode
	Payment Payment
	Decided bool // Payment is set
}

// Over says that nothing more will come of the code.
func (p Presentation) Over(now time.Time) bool {
	return p.Decided || !now.Before(p.Code.ExpiresAt) || (!p.Code.BurntAt.IsZero() && p.Code.BurntBy == "")
}

// PresentationOf is what has come of a holder's code; another's is not found.
func (w *Wallet) PresentationOf(ctx context.Context, sub id.Subject, p PaymentID) (Presentation, error) {
	code, err := w.Store.PayCode(ctx, p)
	if err == nil && code.Subject != sub {
		err = fault.New(fault.NotFound, "wallet.PresentationOf", errors.New("another holder's"))
	}
	if err != nil {
		return Presentation{}, err
	}
	pay, err := w.Store.Payment(ctx, p)
	if err != nil && fault.Of(err) != fault.NotFound {
		return Presentation{}, err
	}
	return Presentation{Code: code, Payment: pay, Decided: err == nil}, nil
}

var (
	textTerminal  = fault.Text{JA: "端末番号（terminal）は100バイト以内の1行の文字にしてください。制御文字や書字方向の記号は使えません。", EN: "terminal is one line of text of at most 100 bytes, without control characters and marks of direction."}
	textOrder     = fault.Text{JA: "注文番号（order）は100バイト以内の1行の文字にしてください。制御文字や書字方向の記号は使えません。", EN: "order is one line of text of at most 100 bytes, without control characters and marks of direction."}
	textCodeShape = fault.Text{JA: "支払いコードの形が正しくありません。", EN: "This is not a payment code."}
	textCodeGone  = fault.Text{JA: "この支払いコードは使えません。お客様に新しいコードを表示してもらってください。", EN: "This payment code cannot be used. Ask the customer to show a new one."}
	textIdem      = fault.Text{JA: "同じIdempotency-Keyが、別の内容の依頼に使われています。", EN: "This Idempotency-Key was used with a different request before."}

	textIdemMissing = fault.Text{JA: "Idempotency-Keyヘッダーがありません。支払いごとに新しい値を付け、やり直すときは同じ値を送ってください。", EN: "The header Idempotency-Key is missing: a new value for each payment, the same one again for a retry."}
	textIdemShape   = fault.Text{JA: "Idempotency-Keyは、1〜255文字の印字できるASCII文字にしてください。", EN: "Idempotency-Key must be 1 to 255 printable ASCII characters."}

	paymentTexts = map[string]fault.Text{
		"funds":     {JA: "残高が足りません。", EN: "The balance is too low."},
		"frozen":    {JA: "お客様のアカウントは利用を停止しています。", EN: "The customer's account is frozen."},
		"amount":    {JA: "金額が正しくありません。", EN: "The amount is out of range."},
		"cash_like": {JA: "準備中の残高は、この店ではまだ使えません。", EN: "Maturing money cannot be spent in this shop yet."},
	}
)

// Text is how a payment ended, in words for payer and shop.
func (p Payment) Text() fault.Text {
	if p.State == PaymentDone {
		return fault.Text{JA: "支払いが完了しました。", EN: "The payment is done."}
	}
	return paymentTexts[p.Reason]
}

// Rule is the rule that refused a payment, where one did.
func (p Payment) Rule() string {
	if p.Reason == "cash_like" {
		return "M10"
	}
	return ""
}
