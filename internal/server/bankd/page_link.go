package bankd

import (
	"net/http"
	"net/url"
	"time"

	"github.com/kozamori/kozamori/internal/bank"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/money"
	"github.com/kozamori/kozamori/internal/web"
	"github.com/kozamori/kozamori/internal/wire"
)

// asking is what every page of a link request says at its top: who asks, and how far the person is.
type asking struct {
	Service   fault.Text
	Bank      fault.Text
	Reference string
	Base      string // "/link/req_…"
	Step      int    // 1 account, 2 possession, 3 PIN, 4 consent
	Ends      time.Time
}

type accountPage struct {
	asking
	Form *web.Form
}

type methodsPage struct {
	asking
	Code, Passkey, ATM bool
	HelpLine           string
}

type codePage struct {
	asking
	Form  *web.Form
	Left  int  // tries
	Asked bool // a code was asked for, sent or not
	More  bool // another may be
}

type passkeyPage struct {
	asking
	Ceremony web.Ceremony
	Failed   bool
}

type atmPage struct {
	asking
	Checked bool
}

type pinPage struct {
	asking
	Form *web.Form
	Left int
}

type consentPage struct {
	asking
	Form     *web.Form
	Holder   string
	Account  string
	Limits   wire.Limits
	Cap      money.Yen // while limited (L9, L13)
	Cooling  time.Duration
	Weak     bool // proved by a typed code (L13)
	Typed    bool // the e-mail's number would be the receipt that is needed (L8)
	Valid    time.Time
	HelpLine string
}

type overPage struct {
	asking
	Consented bool
	Back      string
	HelpLine  string
}

func (accountPage) Template() string { return "link_account.html" }
func (methodsPage) Template() string { return "link_methods.html" }
func (codePage) Template() string    { return "link_code.html" }
func (passkeyPage) Template() string { return "link_passkey.html" }
func (atmPage) Template() string     { return "link_atm.html" }
func (pinPage) Template() string     { return "link_pin.html" }
func (consentPage) Template() string { return "link_consent.html" }
func (overPage) Template() string    { return "link_over.html" }

// held is a browser's request with the proof that belongs to it.
type held struct {
	req    bank.Request
	proof  bank.Proof
	cookie string
}

// session reads the request of the address, which must be this browser's.
func (t *tenant) session(r *http.Request) (h held, err error) {
	if !id.Valid(r.PathValue("r"), "req") {
		return h, &fault.Error{Kind: fault.NotFound, Op: "bankd.session"}
	}
	h.cookie = browserSecret(r)
	if h.req, err = t.bank.SessionRequest(r.Context(), id.Request(r.PathValue("r")), h.cookie); err != nil {
		return h, err
	}
	if h.req.Proof != "" {
		h.proof, err = t.bank.ProofFor(r.Context(), h.req.Proof, h.cookie)
	}
	return h, err
}

func (t *tenant) asking(req bank.Request, step int) asking {
	return asking{
		Service: t.bank.Services[req.Service].Name, Bank: t.bank.Profile.Name, Reference: req.Reference,
		Base: "/link/" + string(req.ID), Step: step, Ends: req.SessionEnds(),
	}
}

// allowReturn lets the forms of a page lead to the service: agreeing and giving up both end there.
func (t *tenant) allowReturn(w http.ResponseWriter, req bank.Request) error {
	u, err := url.Parse(req.RedirectURI)
	if err != nil {
		return err
	}
	return web.AllowFormAction(w, u.Scheme+"://"+u.Host)
}

// onward leads back to the request's one address, which shows the step it is at.
func onward(w http.ResponseWriter, r *http.Request, to string) error {
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}

// linkPage shows the step a request is at.
func (t *tenant) linkPage(w http.ResponseWriter, r *http.Request) error {
	h, err := t.session(r)
	if fault.Of(err) == fault.Gone && err != nil {
		return t.showOver(w, r)
	}
	if err != nil {
		return err
	}
	if err := t.allowReturn(w, h.req); err != nil {
		return err
	}
	switch h.req.State {
	case bank.RequestOpened:
		t.site.Render(w, r, accountPage{t.asking(h.req, 1), accountForm()})
	case bank.RequestEntered:
		offers := t.bank.Policy
		t.site.Render(w, r, methodsPage{t.asking(h.req, 2), offers.Code, offers.Passkey, offers.ATM, t.bank.Profile.HelpLine})
	case bank.RequestProved:
		_, left := bank.TriesLeft(h.proof, h.req)
		t.site.Render(w, r, pinPage{t.asking(h.req, 3), pinForm(), left})
	default:
		return t.showConsent(w, r, http.StatusOK, h, t.consentForm())
	}
	return nil
}

// showOver says that a request is over, in the same words whatever ended it (L3).
func (t *tenant) showOver(w http.ResponseWriter, r *http.Request) error {
	req, back, err := t.bank.Over(r.Context(), id.Request(r.PathValue("r")), browserSecret(r))
	if err != nil {
		return err
	}
	t.site.RenderStatus(w, r, http.StatusGone, overPage{t.asking(req, 0), !req.ConsentedAt.IsZero(), back, t.bank.Profile.HelpLine})
	return nil
}

// methodPage shows one way to prove possession.
func (t *tenant) methodPage(w http.ResponseWriter, r *http.Request) error {
	h, err := t.session(r)
	if err != nil {
		return onward(w, r, "/link/"+url.PathEscape(r.PathValue("r")))
	}
	if h.req.State != bank.RequestEntered {
		return onward(w, r, "/link/"+string(h.req.ID))
	}
	if err := t.allowReturn(w, h.req); err != nil {
		return err
	}
	a, policy := t.asking(h.req, 2), t.bank.Policy
	switch kind := bank.ProofKind(r.PathValue("kind")); {
	case kind == bank.ProofCode && policy.Code:
		left, _ := bank.TriesLeft(h.proof, h.req)
		t.site.Render(w, r, codePage{a, codeForm(), left, h.proof.CodesAsked > 0, h.proof.CodesAsked < bank.CodesAsked})
	case kind == bank.ProofPasskey && policy.Passkey:
		options, err := t.bank.BeginPasskey(r.Context(), h.proof)
		if err != nil {
			return err
		}
		t.site.Render(w, r, passkeyPage{a, web.Ceremony{Do: "get", Options: string(options)}, r.URL.Query().Has("again")})
	case kind == bank.ProofATM && policy.ATM:
		t.site.Render(w, r, atmPage{a, r.URL.Query().Has("again")})
	default:
		return &fault.Error{Kind: fault.NotFound, Op: "bankd.methodPage"}
	}
	return nil
}
