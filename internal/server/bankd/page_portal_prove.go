package bankd

import (
	"net/http"
	"strings"
	"time"

	"github.com/kozamori/kozamori/internal/bank"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/web"
	"github.com/kozamori/kozamori/internal/wire"
)

// proofCookie carries a browser's secret for proofs of the portal; the database has its hash only.
const proofCookie = "__Host-proof"

// knownCookie marks a browser in which somebody signed in, for codes that no stranger can use up (D2).
const knownCookie = "__Host-known"

// knownFor is how long a browser keeps the mark: as long as browsers keep any cookie.
const knownFor = 400 * 24 * time.Hour

// sessionLink is the key under which a session keeps which link is to be confirmed or undone.
const sessionLink = "link"

type signInPage struct {
	Bank fault.Text
	Form *web.Form
	Over bool // too many tries were wrong
}

func (signInPage) Template() string { return "portal_signin.html" }

// signInForm asks for the account and its holder's date of birth: a code is sent only where both agree (L15),
// so that nobody can flood the phone of an account whose number he has seen.
func signInForm() *web.Form {
	fields := accountForm().Fields()
	return web.NewForm(*fields[0], *fields[1], *fields[2], web.Field{
		Name: "birth", Kind: web.DateField, Autocomplete: "bday", Label: fault.Text{JA: "口座名義の方の生年月日", EN: "Date of birth of the account's holder"},
	})
}

func (t *tenant) signInPage(w http.ResponseWriter, r *http.Request) error {
	if t.sessions.GetString(r.Context(), sessionAccount) != "" {
		return onward(w, r, "/portal")
	}
	t.site.Render(w, r, signInPage{t.bank.Profile.Name, signInForm(), r.URL.Query().Has("over")})
	return nil
}

// signIn takes the account and the date of birth. Whether there is one nobody learns: each goes on to a proof of possession, which
// for an account that does not exist can only fail (L3, L16).
func (t *tenant) signIn(w http.ResponseWriter, r *http.Request) error {
	form := signInForm()
	ok := form.Read(w, r)
	number := form.Value("number")
	place := bank.Place{Bank: t.bank.Profile.Code, Branch: t.branchOf(form.Value("branch"), form.Choice("branch")),
		Kind: bank.Kind(form.Value("kind")), Number: strings.Repeat("0", max(0, 7-len(number))) + number}
	if ok && place.Branch == "" {
		form.Fail("branch", fault.Text{JA: "一覧から支店を選んでください。", EN: "Please choose a branch from the list."})
		ok = false
	}
	if ok && place.Check() != nil {
		form.Fail("number", fault.Text{JA: "口座番号は7桁までの数字です。", EN: "An account number has up to seven digits."})
		ok = false
	}
	if !ok {
		t.site.RenderStatus(w, r, http.StatusUnprocessableEntity, signInPage{t.bank.Profile.Name, form, false})
		return nil
	}
	acc, err := t.bank.Store.AccountAt(r.Context(), place)
	if err != nil && fault.Of(err) != fault.NotFound {
		return err
	}
	if acc.Closed || acc.BirthDate != form.Value("birth") {
		acc.ID = "" // nobody's: no proof will ever be right
	}
	return t.begin(w, r, bank.ForPortal, acc.ID)
}

// begin opens a proof in this browser and leads to it.
func (t *tenant) begin(w http.ResponseWriter, r *http.Request, purpose bank.Purpose, acc bank.AccountID) error {
	secret := proofSecret(r)
	if secret == "" {
		secret = wire.NewSecret()
		http.SetCookie(w, &http.Cookie{Name: proofCookie, Value: secret, Path: "/", HttpOnly: true, Secure: true, SameSite: http.SameSiteLaxMode})
	}
	mark := ""
	if c, err := r.Cookie(knownCookie); err == nil {
		mark = c.Value
	}
	p, err := t.bank.StartProof(r.Context(), purpose, acc, secret, mark)
	if err != nil {
		return err
	}
	return onward(w, r, "/prove/"+string(p.ID))
}

// dropCookie takes a cookie of a secret from the browser.
func dropCookie(w http.ResponseWriter, name string) {
	http.SetCookie(w, &http.Cookie{Name: name, Path: "/", MaxAge: -1, HttpOnly: true, Secure: true, SameSite: http.SameSiteLaxMode})
}

// proofSecret is the browser's secret for proofs, "" where it has none that we could have made.
func proofSecret(r *http.Request) string {
	c, err := r.Cookie(proofCookie)
	if err != nil || len(c.Value) != 43 {
		return ""
	}
	return c.Value
}

// startProof begins the full proof that something of the portal asks for. The link it is about, if any,
// stays in the session: the browser cannot change it on the way.
func (t *tenant) startProof(purpose bank.Purpose) func(http.ResponseWriter, *http.Request, depositor) error {
	return func(w http.ResponseWriter, r *http.Request, d depositor) error {
		link := r.PathValue("link")
		if link == "" {
			link = r.PostFormValue("link")
		}
		t.sessions.Put(r.Context(), sessionLink, link)
		return t.begin(w, r, purpose, d.Account.ID)
	}
}

// proving reads the proof of the address, which must be this browser's and, beyond signing in, that of the
// account that is signed in.
func (t *tenant) proving(r *http.Request) (bank.Proof, error) {
	p, err := t.bank.ProofFor(r.Context(), bank.ProofID(r.PathValue("proof")), proofSecret(r))
	if err != nil {
		return p, err
	}
	if p.Purpose == bank.ForPortal {
		return p, nil
	}
	if p.Account == "" || string(p.Account) != t.sessions.GetString(r.Context(), sessionAccount) {
		return p, &fault.Error{Kind: fault.Unauthorised, Op: "bankd.proving"}
	}
	return p, nil
}

// proofAsking is the head of the pages of a proof at the portal: the bank itself asks.
func (t *tenant) proofAsking(p bank.Proof) asking {
	return asking{
		Service: t.bank.Profile.Name, Bank: t.bank.Profile.Name, Reference: p.Reference, Base: "/prove/" + string(p.ID),
		Ends: p.CreatedAt.Add(bank.SessionLife),
	}
}

type enrolPage struct {
	asking
	Ceremony web.Ceremony
	Failed   bool
}

func (enrolPage) Template() string { return "portal_enrol.html" }

// provePage shows the step a proof is at.
func (t *tenant) provePage(w http.ResponseWriter, r *http.Request) error {
	p, err := t.proving(r)
	if err != nil {
		return err
	}
	a, policy := t.proofAsking(p), t.bank.Policy
	switch {
	case p.Kind == "":
		// A typed code lifts no cap that a typed code has caused (L13).
		code := policy.Code && p.Purpose != bank.ForConfirm
		t.site.Render(w, r, methodsPage{a, code, policy.Passkey, policy.ATM, t.bank.Profile.HelpLine})
	case p.Purpose == bank.ForEnrol:
		options, err := t.bank.BeginEnrol(r.Context(), p)
		if err != nil {
			return err
		}
		t.site.Render(w, r, enrolPage{a, web.Ceremony{Do: "create", Options: string(options)}, r.URL.Query().Has("again")})
	case p.Purpose == bank.ForConfirm:
		return onward(w, r, "/portal/links")
	default:
		return t.showPIN(w, r, http.StatusOK, p, pinForm())
	}
	return nil
}

func (t *tenant) showPIN(w http.ResponseWriter, r *http.Request, status int, p bank.Proof, form *web.Form) error {
	left := bank.PINTries
	row, err := t.bank.Store.PINOf(r.Context(), p.Account)
	switch {
	case err == nil && t.bank.Now().Before(row.Pages.LockedUntil):
		left = 0
	case err == nil && row.Pages.LockedUntil.IsZero():
		left = max(0, left-row.Pages.Tries)
	case err != nil && fault.Of(err) != fault.NotFound:
		return err
	}
	t.site.RenderStatus(w, r, status, pinPage{t.proofAsking(p), form, left})
	return nil
}

// proveMethod shows one way to prove possession.
func (t *tenant) proveMethod(w http.ResponseWriter, r *http.Request) error {
	p, err := t.proving(r)
	if err != nil {
		return err
	}
	a, policy := t.proofAsking(p), t.bank.Policy
	if p.Kind != "" {
		return onward(w, r, a.Base)
	}
	switch kind := bank.ProofKind(r.PathValue("kind")); {
	case kind == bank.ProofCode && policy.Code && p.Purpose != bank.ForConfirm:
		return t.showCode(w, r, http.StatusOK, p, codeForm())
	case kind == bank.ProofPasskey && policy.Passkey:
		options, err := t.bank.BeginPasskey(r.Context(), p)
		if err != nil {
			return err
		}
		t.site.Render(w, r, passkeyPage{a, web.Ceremony{Do: "get", Options: string(options)}, r.URL.Query().Has("again")})
	case kind == bank.ProofATM && policy.ATM:
		t.site.Render(w, r, atmPage{a, r.URL.Query().Has("again")})
	default:
		return &fault.Error{Kind: fault.NotFound, Op: "bankd.proveMethod"}
	}
	return nil
}

func (t *tenant) showCode(w http.ResponseWriter, r *http.Request, status int, p bank.Proof, form *web.Form) error {
	t.site.RenderStatus(w, r, status, codePage{t.proofAsking(p), form, max(0, bank.CodeTries-p.Tries), p.CodesAsked > 0, p.CodesAsked < bank.CodesAsked})
	return nil
}

func (t *tenant) proveAskCode(w http.ResponseWriter, r *http.Request) error {
	p, err := t.proving(r)
	if err != nil {
		return err
	}
	if _, err := t.bank.SendCode(r.Context(), p); err != nil {
		return err
	}
	return onward(w, r, "/prove/"+string(p.ID)+"/method/code")
}

func (t *tenant) proveCode(w http.ResponseWriter, r *http.Request) error {
	p, err := t.proving(r)
	if err != nil {
		return err
	}
	form := codeForm()
	if !form.Read(w, r) {
		return t.showCode(w, r, http.StatusUnprocessableEntity, p, form)
	}
	held, err := t.bank.CheckCode(r.Context(), p, form.Value("code"))
	if bank.NotProved(err) && p.Tries+1 >= bank.CodeTries {
		return t.overNow(w, r, p)
	}
	return t.holding(w, r, p, held, err, bank.ProofCode)
}

func (t *tenant) provePasskey(w http.ResponseWriter, r *http.Request) error {
	p, err := t.proving(r)
	if err != nil {
		return err
	}
	held, err := t.bank.FinishPasskey(r.Context(), p, []byte(r.PostFormValue("credential")))
	return t.holding(w, r, p, held, err, bank.ProofPasskey)
}

func (t *tenant) proveATM(w http.ResponseWriter, r *http.Request) error {
	p, err := t.proving(r)
	if err != nil {
		return err
	}
	held, err := t.bank.TakeWindow(r.Context(), p)
	return t.holding(w, r, p, held, err, bank.ProofATM)
}

// holding goes on with a proof, or back to where it was tried. A link is confirmed at once.
func (t *tenant) holding(w http.ResponseWriter, r *http.Request, p bank.Proof, held bank.Possession, err error, kind bank.ProofKind) error {
	base := "/prove/" + string(p.ID)
	if bank.NotProved(err) {
		return onward(w, r, base+"/method/"+string(kind)+"?again=1")
	}
	if err != nil {
		return err
	}
	if p.Purpose != bank.ForConfirm {
		return onward(w, r, base)
	}
	link := id.Link(t.sessions.PopString(r.Context(), sessionLink))
	if err := t.bank.ConfirmLink(r.Context(), held, link); err != nil {
		return err
	}
	return t.did(w, r, "confirmed", "/portal/links/"+string(link))
}

// overNow ends the proof of somebody who has no try left; the account is as it was.
func (t *tenant) overNow(w http.ResponseWriter, r *http.Request, p bank.Proof) error {
	if p.Purpose == bank.ForPortal {
		return onward(w, r, "/?over=1")
	}
	return t.did(w, r, "over", "/portal")
}

// provePIN is the second factor of signing in, and of undoing a stop.
func (t *tenant) provePIN(w http.ResponseWriter, r *http.Request) error {
	p, err := t.proving(r)
	if err != nil {
		return err
	}
	held, err := t.bank.PossessionOf(r.Context(), p.ID, proofSecret(r), p.Purpose)
	if err != nil {
		return err
	}
	form := pinForm()
	if !form.Read(w, r) {
		return t.showPIN(w, r, http.StatusUnprocessableEntity, p, form)
	}
	pin := bank.PIN(form.Value("pin"))
	switch p.Purpose {
	case bank.ForPortal:
		ok, err := t.bank.SignIn(r.Context(), held, pin)
		if err != nil || !ok {
			return t.wrongPIN(w, r, p, err)
		}
		if err := t.sessions.RenewToken(r.Context()); err != nil {
			return fault.New(fault.Unavailable, "bankd.provePIN", err)
		}
		t.sessions.Put(r.Context(), sessionAccount, string(held.Account()))
		dropCookie(w, proofCookie) // the next proof begins with a new secret
		http.SetCookie(w, &http.Cookie{Name: knownCookie, Value: t.bank.KnownMark(held.Account()), Path: "/", MaxAge: int(knownFor.Seconds()),
			HttpOnly: true, Secure: true, SameSite: http.SameSiteStrictMode})
		return onward(w, r, "/portal")
	case bank.ForUndo:
		link := id.Link(t.sessions.GetString(r.Context(), sessionLink))
		ok, err := t.bank.UndoStop(r.Context(), held, pin, link)
		if err != nil || !ok {
			return t.wrongPIN(w, r, p, err)
		}
		t.sessions.Remove(r.Context(), sessionLink)
		return t.did(w, r, "undone", "/portal")
	}
	return &fault.Error{Kind: fault.NotFound, Op: "bankd.provePIN"}
}

func (t *tenant) wrongPIN(w http.ResponseWriter, r *http.Request, p bank.Proof, err error) error {
	if err != nil {
		return err
	}
	form := pinForm()
	form.Problem = fault.Text{
		JA: "確認できませんでした。3回続けて違うと、24時間この画面と口座連携が使えなくなります。キャッシュカードはそのまま使えます。",
		EN: "We could not confirm this. After three wrong ones this page and links are locked for 24 hours; the cash card is not.",
	}
	return t.showPIN(w, r, http.StatusUnprocessableEntity, p, form)
}

// enrol registers a passkey for somebody who has just proved possession (L16).
func (t *tenant) enrol(w http.ResponseWriter, r *http.Request) error {
	p, err := t.proving(r)
	if err != nil {
		return err
	}
	_, err = t.bank.FinishEnrol(r.Context(), p, []byte(r.PostFormValue("credential")))
	if bank.NotProved(err) {
		return onward(w, r, "/prove/"+string(p.ID)+"?again=1")
	}
	if err != nil {
		return err
	}
	return t.did(w, r, "passkey", "/portal")
}

func (t *tenant) proveCancel(w http.ResponseWriter, r *http.Request) error {
	t.sessions.Remove(r.Context(), sessionLink)
	if t.sessions.GetString(r.Context(), sessionAccount) != "" {
		return onward(w, r, "/portal")
	}
	return onward(w, r, "/")
}
