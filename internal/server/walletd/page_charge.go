package walletd

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/money"
	"github.com/kozamori/kozamori/internal/wallet"
	"github.com/kozamori/kozamori/internal/web"
	"github.com/kozamori/kozamori/internal/wire"
)

// answerAtOnce is how long a page waits for a bank before it shows that it is waiting. Then it asks again and
// again and is answered at once: a request that waited would carry an old session along.
const answerAtOnce = 2500 * time.Millisecond

// chargePage asks from which account and how much.
type chargePage struct {
	Form *web.Form
	Left wallet.Left
	Shut []shutLink // links that cannot be charged from now
	Rule string     // that refuses what was typed
	None bool       // there is nothing to charge from
}

func (chargePage) Template() string { return "charge.html" }

type shutLink struct {
	Bank  fault.Text
	Why   fault.Text
	Rule  string
	Until time.Time // zero where time alone changes nothing
}

// pageCharge shows the form; ?link= chooses an account beforehand.
func (s *Server) pageCharge(w http.ResponseWriter, r *http.Request, h wallet.Holder) error {
	page, err := s.chargeForm(r, h)
	if err != nil {
		return err
	}
	if link := r.URL.Query().Get("link"); link != "" && !page.None {
		page.Form.Set("link", link)
	}
	s.site.Render(w, r, page)
	return nil
}

func (s *Server) chargeForm(r *http.Request, h wallet.Holder) (chargePage, error) {
	links, err := s.wallet.Store.LinksOf(r.Context(), h.Subject)
	if err != nil {
		return chargePage{}, err
	}
	left, err := s.wallet.LimitsLeft(r.Context(), h.Subject)
	if err != nil {
		return chargePage{}, err
	}
	page := chargePage{Left: left}
	now := s.wallet.Now()
	var options []web.Option
	for _, l := range links {
		bank := fault.Text{JA: l.BankName, EN: l.BankNameEN}
		err := l.MayCharge(now)
		switch {
		case err == nil:
			of, err := s.wallet.ChargeLeft(r.Context(), h.Subject, l)
			if err != nil {
				return chargePage{}, err
			}
			options = append(options, web.Option{Value: string(l.ID), Text: bank, Hint: hintLeft(of)})
		case !l.Over(now):
			page.Shut = append(page.Shut, shutLink{bank, fault.PublicOf(err), fault.RuleOf(err), rowOf(l, now).Until})
		}
	}
	page.None = len(options) == 0
	page.Form = web.NewForm(
		web.Field{Name: "link", Kind: web.ChoiceField, Label: fault.Text{JA: "どの銀行口座から", EN: "From which account"}, Options: options},
		web.Field{Name: "amount", Kind: web.AmountField, Label: fault.Text{JA: "チャージする金額", EN: "How much"}, Max: 12})
	if len(options) == 1 {
		page.Form.Set("link", options[0].Value)
	}
	return page, nil
}

func hintLeft(l wallet.Left) fault.Text {
	most := l.Most()
	if l.Limited {
		return fault.Text{JA: "いまは24時間に5,000円まで。あと" + most.String() + "。", EN: "For now 5,000 yen in 24 hours; ¥" + most.Digits() + " left."}
	}
	return fault.Text{JA: "いまチャージできる金額：" + most.String(), EN: "Can be charged now: ¥" + most.Digits()}
}

// doCharge makes the charge that the holder is then asked to sign.
func (s *Server) doCharge(w http.ResponseWriter, r *http.Request, h wallet.Holder) error {
	page, err := s.chargeForm(r, h)
	if err != nil {
		return err
	}
	if page.None {
		http.Redirect(w, r, "/charge", http.StatusSeeOther)
		return nil
	}
	if page.Form.Read(w, r) {
		asked, err := s.wallet.AskCharge(r.Context(), h.Subject, id.Link(page.Form.Value("link")), page.Form.Yen("amount"))
		switch fault.Of(err) {
		case fault.Refused, fault.Invalid:
			page.Form.Fail("amount", fault.PublicOf(err))
			page.Rule = fault.RuleOf(err)
		default:
			if err != nil {
				return err
			}
			http.Redirect(w, r, "/charge/"+string(asked.Charge.Debit), http.StatusSeeOther)
			return nil
		}
	}
	s.site.RenderStatus(w, r, http.StatusUnprocessableEntity, page)
	return nil
}

// confirmPage shows exactly what the device is about to sign.
type confirmPage struct {
	Charge    wallet.Charge
	Matures   bool
	MaturesAt time.Time
	Left      wallet.Left
	Seconds   int
	Ceremony  web.Ceremony
}

func (confirmPage) Template() string { return "charge_confirm.html" }

// Known says that the day the money becomes available is known.
func (p confirmPage) Known() bool { return !p.MaturesAt.IsZero() }

// LeftLink is what is left of this account's lower limit after this charge.
func (p confirmPage) LeftLink() money.Yen { return max(0, p.Left.Most()-p.Charge.Amount) }

// LeftDay is what is left of the 24 hours after this charge.
func (p confirmPage) LeftDay() money.Yen { return max(0, p.Left.Day-p.Charge.Amount) }

// LeftMonth is what is left of the 30 days after this charge.
func (p confirmPage) LeftMonth() money.Yen { return max(0, p.Left.Month-p.Charge.Amount) }

// chargeStatePage shows a charge on its way and at its end.
type chargeStatePage struct {
	Charge wallet.Charge
	Late   bool // it was shown and not agreed to in time
}

func (chargeStatePage) Template() string { return "charge_state.html" }

// Open says that the page asks again.
func (p chargeStatePage) Open() bool { return p.Charge.State.Open() && !p.Late }

// Done says that the money is there.
func (p chargeStatePage) Done() bool { return p.Charge.State == wallet.ChargeDone }

// Refused says that no money was moved.
func (p chargeStatePage) Refused() bool {
	return p.Late || p.Charge.State == wallet.ChargeRefused || p.Charge.State == wallet.ChargeNever
}

// Matures says that the money is not available yet.
func (p chargeStatePage) Matures() bool { return p.Charge.Matures() }

// pageOneCharge shows a charge: to be signed, on its way, or ended.
func (s *Server) pageOneCharge(w http.ResponseWriter, r *http.Request, h wallet.Holder) error {
	debit := id.Debit(r.PathValue("debit"))
	c, err := s.wallet.OwnCharge(r.Context(), h.Subject, debit)
	if err != nil {
		return err
	}
	if c.State == wallet.ChargeAsked {
		return s.confirmCharge(w, r, h, c)
	}
	s.site.Render(w, r, chargeStatePage{Charge: c})
	return nil
}

func (s *Server) confirmCharge(w http.ResponseWriter, r *http.Request, h wallet.Holder, c wallet.Charge) error {
	asked, err := s.wallet.AskedAgain(r.Context(), h.Subject, c)
	if fault.Of(err) == fault.Gone && err != nil {
		s.site.Render(w, r, chargeStatePage{Charge: c, Late: true})
		return nil
	}
	if err != nil {
		return err
	}
	device, err := s.wallet.Store.Device(r.Context(), h.Subject)
	if err != nil {
		return err
	}
	options, err := s.wallet.AskDevice(device, asked.Challenge)
	if err != nil {
		return err
	}
	link, err := s.store.Link(r.Context(), c.Link)
	if err != nil {
		return err
	}
	left, err := s.wallet.ChargeLeft(r.Context(), h.Subject, link)
	if err != nil {
		return err
	}
	page := confirmPage{
		Charge: c, Matures: asked.Matures, MaturesAt: asked.MaturesAt, Left: left,
		Seconds:  int(asked.Until.Sub(s.wallet.Now()).Seconds()),
		Ceremony: web.Ceremony{Do: "get", Options: string(options)},
	}
	if device.Keys.Synced {
		page.Ceremony.BrowserKey, page.Ceremony.Challenge = "sign", base64.RawURLEncoding.EncodeToString(asked.Challenge)
	}
	s.site.Render(w, r, page)
	return nil
}

// doAgree takes the device's signature and sends the charge.
func (s *Server) doAgree(w http.ResponseWriter, r *http.Request, h wallet.Holder) error {
	debit := id.Debit(r.PathValue("debit"))
	proof, err := readProof(r)
	if errors.Is(err, errUnsigned) { // the button was pressed before the page was ready to ask the device
		http.Redirect(w, r, "/charge/"+string(debit), http.StatusSeeOther)
		return nil
	}
	if err != nil {
		return err
	}
	if _, err := s.wallet.Agreed(r.Context(), h.Subject, debit, proof); err != nil && fault.Of(err) != fault.Gone {
		return err // what came too late is shown by the charge's own page
	}
	if _, err := s.wallet.AwaitCharge(r.Context(), h.Subject, debit, answerAtOnce); err != nil {
		return err
	}
	http.Redirect(w, r, "/charge/"+string(debit), http.StatusSeeOther)
	return nil
}

var errUnsigned = errors.New("no signature of the device")

// readProof reads what the ceremony of a page posted.
func readProof(r *http.Request) (wire.DeviceProof, error) {
	if err := r.ParseForm(); err != nil {
		return wire.DeviceProof{}, fault.New(fault.Invalid, "walletd.readProof", err)
	}
	var made struct {
		ID       string `json:"id"`
		Response struct {
			AuthenticatorData string `json:"authenticatorData"`
			ClientDataJSON    string `json:"clientDataJSON"`
			Signature         string `json:"signature"`
		} `json:"response"`
	}
	credential := r.PostForm.Get("credential")
	if credential == "" {
		return wire.DeviceProof{}, errUnsigned
	}
	if err := json.Unmarshal([]byte(credential), &made); err != nil {
		return wire.DeviceProof{}, &fault.Error{Kind: fault.Invalid, Op: "walletd.readProof", Rule: "M9", Err: err}
	}
	return wire.DeviceProof{
		CredentialID: made.ID, AuthenticatorData: made.Response.AuthenticatorData, ClientDataJSON: made.Response.ClientDataJSON,
		Signature: made.Response.Signature, BrowserSignature: r.PostForm.Get("browser_signature"),
	}, nil
}
