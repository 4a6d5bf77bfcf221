package bankd

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/kozamori/kozamori/internal/bank"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/money"
	"github.com/kozamori/kozamori/internal/web"
	"github.com/kozamori/kozamori/internal/wire"
)

// Lines of a page of the passbook and of the list of debits.
const (
	passbookLines = 24
	debitLines    = 30
)

// portalNav is the navigation of somebody who is signed in.
func portalNav(r *http.Request) []web.Link {
	if !strings.HasPrefix(r.URL.Path, "/portal") {
		return nil
	}
	return []web.Link{
		{URL: "/portal", Icon: "home", Text: fault.Text{JA: "口座", EN: "Account"}},
		{URL: "/portal/passbook", Icon: "passbook", Text: fault.Text{JA: "通帳", EN: "Passbook"}},
		{URL: "/portal/links", Icon: "link", Text: fault.Text{JA: "口座連携", EN: "Links"}, Current: strings.HasPrefix(r.URL.Path, "/portal/links/")},
		{URL: "/portal/debits", Icon: "list", Text: fault.Text{JA: "引き落とし", EN: "Debits"}},
		{URL: "/portal/contacts", Icon: "person", Text: fault.Text{JA: "連絡先", EN: "Contacts"}},
	}
}

// portalSignOut is where the sign-out button posts to.
func portalSignOut(r *http.Request) string {
	if strings.HasPrefix(r.URL.Path, "/portal") {
		return "/portal/signout"
	}
	return ""
}

// portalRoutes are the pages of depositors, customers of a service or of none (D1, D2), and the carrier's
// reports.
func (t *tenant) portalRoutes(mux *http.ServeMux) {
	page := func(pattern string, h func(http.ResponseWriter, *http.Request) error) {
		mux.HandleFunc(pattern, t.site.Handle(h))
	}
	signIns := web.NewLimiter(6*time.Second, 20, 10_000, t.s.env.Now)
	page("GET /{$}", t.signInPage)
	page("POST /signin", t.blind(t.floods(signIns, t.signIn)))
	page("GET /prove/{proof}", t.inTurn(t.provePage))
	page("GET /prove/{proof}/method/{kind}", t.inTurn(t.proveMethod))
	page("POST /prove/{proof}/code", t.inTurn(t.blind(t.proveAskCode)))
	page("POST /prove/{proof}/code/check", t.inTurn(t.blind(t.proveCode)))
	page("POST /prove/{proof}/passkey", t.inTurn(t.blind(t.provePasskey)))
	page("POST /prove/{proof}/atm", t.inTurn(t.blind(t.proveATM)))
	page("POST /prove/{proof}/pin", t.inTurn(t.blind(t.provePIN)))
	page("POST /prove/{proof}/enrol", t.inTurn(t.enrol))
	page("POST /prove/{proof}/cancel", t.inTurn(t.proveCancel))
	page("GET /stop/{notice}/{token}", t.stopPage)
	page("POST /stop/{notice}/{token}", t.stopByNotice)
	page("GET /portal", t.signedIn(t.homePage))
	page("GET /portal/passbook", t.signedIn(t.passbookPage))
	page("GET /portal/links", t.signedIn(t.linksPage))
	page("GET /portal/links/{link}", t.signedIn(t.portalLinkPage))
	page("GET /portal/debits", t.signedIn(t.debitsPage))
	page("GET /portal/contacts", t.signedIn(t.contactsPage))
	page("POST /portal/stop", t.signedIn(t.stopAll))
	page("POST /portal/links/{link}/stop", t.signedIn(t.stopOne))
	page("POST /portal/links/{link}/confirm", t.signedIn(t.startProof(bank.ForConfirm)))
	page("POST /portal/undo", t.signedIn(t.startProof(bank.ForUndo)))
	page("POST /portal/passkey", t.signedIn(t.startProof(bank.ForEnrol)))
	page("POST /portal/signout", t.signOut)
	mux.HandleFunc("POST /gateway/reports", t.gatewayReport)
}

// floods refuses a source that begins too often; what one account can bear is counted elsewhere.
func (t *tenant) floods(l *web.Limiter, h func(http.ResponseWriter, *http.Request) error) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		if !l.Allow(web.Source(r, t.s.cfg.Server.BehindProxy)) {
			return &fault.Error{Kind: fault.Busy, Op: "bankd.signIn"}
		}
		return h(w, r)
	}
}

// What a session keeps: whose it is, and what was just done on which page.
const (
	sessionAccount = "account"
	sessionDone    = "done"
)

// depositor is who is signed in, and what every page of the portal says of the account.
type depositor struct {
	Account bank.Account
	Stopped bool // everything, by the depositor
}

// signedIn lets through who has signed in by possession and PIN (L16); any other begins there.
func (t *tenant) signedIn(h func(http.ResponseWriter, *http.Request, depositor) error) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		acc := bank.AccountID(t.sessions.GetString(r.Context(), sessionAccount))
		if acc == "" {
			return onward(w, r, "/")
		}
		a, err := t.bank.Store.Account(r.Context(), acc)
		if err != nil {
			return err
		}
		stopped, err := t.bank.Stopped(r.Context(), acc)
		if err != nil {
			return err
		}
		return h(w, r, depositor{a, stopped})
	}
}

type homePage struct {
	depositor
	Balance  money.Yen
	Lines    []bank.PassbookLine
	Links    []linkLine
	Limit    ledger.Limit
	Used     ledger.Usage
	Passkeys int
	Done     string // what was just done, for a notice on top
}

func (homePage) Template() string { return "portal_home.html" }

// linkLine is a link with the service's name from the bank's own register.
type linkLine struct {
	bank.LinkView
	Name fault.Text
	Tone string // of the badge
}

func (t *tenant) linkLine(v bank.LinkView) linkLine {
	tones := map[wire.LinkState]string{
		wire.LinkActive: "good", wire.LinkLimited: "warn", wire.LinkCooling: "warn", wire.LinkWaiting: "warn", wire.LinkSuspended: "bad",
	}
	return linkLine{v, t.serviceName(v.Service), tones[v.State]}
}

// serviceName is a service's name in the register; one that has left it is called by its id.
func (t *tenant) serviceName(s id.Service) fault.Text {
	if svc, err := t.bank.Service(s); err == nil {
		return svc.Name
	}
	return fault.Text{JA: string(s), EN: string(s)}
}

// links are the account's links: those that are not over first, as the newest come first in both parts.
func (t *tenant) links(ctx context.Context, acc bank.AccountID) (current, over []linkLine, err error) {
	views, err := t.bank.Links(ctx, acc)
	for _, v := range views {
		if v.Over() {
			over = append(over, t.linkLine(v))
		} else {
			current = append(current, t.linkLine(v))
		}
	}
	return current, over, err
}

func (t *tenant) homePage(w http.ResponseWriter, r *http.Request, d depositor) (err error) {
	page := homePage{depositor: d, Done: t.done(r)}
	ctx, acc := r.Context(), d.Account.ID
	if page.Balance, err = t.bank.Balance(ctx, acc); err != nil {
		return err
	}
	if page.Lines, err = t.bank.Passbook(ctx, acc, 0, 5); err != nil {
		return err
	}
	if page.Links, _, err = t.links(ctx, acc); err != nil {
		return err
	}
	if page.Limit, page.Used, err = t.bank.LimitLeft(ctx, acc); err != nil {
		return err
	}
	keys, err := t.livePasskeys(ctx, acc)
	page.Passkeys = len(keys)
	if err != nil {
		return err
	}
	t.site.Render(w, r, page)
	return nil
}

type passbookPage struct {
	depositor
	Balance money.Yen
	Lines   []bank.PassbookLine
	Next    int64 // 0 at the end
	First   bool
}

func (passbookPage) Template() string { return "portal_passbook.html" }

func (t *tenant) passbookPage(w http.ResponseWriter, r *http.Request, d depositor) error {
	var before int64
	if text := r.URL.Query().Get("before"); text != "" {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 1 {
			return fault.New(fault.Invalid, "bankd.passbook", err)
		}
		before = n
	}
	lines, err := t.bank.Passbook(r.Context(), d.Account.ID, before, passbookLines+1)
	if err != nil {
		return err
	}
	balance, err := t.bank.Balance(r.Context(), d.Account.ID)
	if err != nil {
		return err
	}
	page := passbookPage{depositor: d, Balance: balance, Lines: lines, First: before == 0}
	if len(lines) > passbookLines {
		page.Lines = lines[:passbookLines]
		page.Next = page.Lines[passbookLines-1].N
	}
	t.site.Render(w, r, page)
	return nil
}

type linksPage struct {
	depositor
	Links, Over []linkLine
}

func (linksPage) Template() string { return "portal_links.html" }

func (t *tenant) linksPage(w http.ResponseWriter, r *http.Request, d depositor) error {
	current, over, err := t.links(r.Context(), d.Account.ID)
	if err != nil {
		return err
	}
	t.site.Render(w, r, linksPage{d, current, over})
	return nil
}

type portalLinkPage struct {
	depositor
	linkLine
	Undo        bool
	Stoppable   bool // by itself
	Confirm     bool // offered now
	ConfirmFrom time.Time
	Cap         money.Yen
	LastDay     time.Time // on which the link is valid
	Done        string
}

func (portalLinkPage) Template() string { return "portal_link.html" }

func (t *tenant) portalLinkPage(w http.ResponseWriter, r *http.Request, d depositor) error {
	views, err := t.bank.Links(r.Context(), d.Account.ID)
	if err != nil {
		return err
	}
	for _, v := range views {
		if v.ID != id.Link(r.PathValue("link")) {
			continue
		}
		from := v.Confirmable()
		t.site.Render(w, r, portalLinkPage{
			depositor: d, linkLine: t.linkLine(v), Undo: v.Undoable() && !d.Stopped, Stoppable: !v.Over() && !v.Undoable(),
			ConfirmFrom: from, Cap: t.bank.Policy.LimitedCap, LastDay: v.Valid.Add(-time.Second),
			Confirm: !from.IsZero() && !t.bank.Now().Before(from) && !d.Stopped, Done: t.done(r),
		})
		return nil
	}
	return &fault.Error{Kind: fault.NotFound, Op: "bankd.portalLink"}
}

type debitsPage struct {
	depositor
	Debits []debitLine
	Next   int64 // microseconds; 0 at the end
	First  bool
}

func (debitsPage) Template() string { return "portal_debits.html" }

// debitLine is a debit with the service's name and a refusal in words.
type debitLine struct {
	bank.Debit
	Name fault.Text
	Why  fault.Text
}

// Refused says that no money moved.
func (l debitLine) Refused() bool { return l.Outcome == wire.Refused }

// Back says that the money came back.
func (l debitLine) Back() bool { return !l.ReversedAt.IsZero() }

func (t *tenant) debitsPage(w http.ResponseWriter, r *http.Request, d depositor) error {
	before := t.bank.Now().Add(time.Hour)
	first := true
	if text := r.URL.Query().Get("before"); text != "" {
		us, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return fault.New(fault.Invalid, "bankd.debits", err)
		}
		before, first = time.UnixMicro(us), false
	}
	debits, err := t.bank.Store.DebitsOf(r.Context(), d.Account.ID, before, debitLines)
	if err != nil {
		return err
	}
	page := debitsPage{depositor: d, First: first}
	for _, x := range debits {
		page.Debits = append(page.Debits, debitLine{x, t.serviceName(x.Service), refusalWords(x.Reason)})
	}
	if len(debits) == debitLines {
		page.Next = debits[debitLines-1].DecidedAt.UnixMicro()
	}
	t.site.Render(w, r, page)
	return nil
}

type contactsPage struct {
	depositor
	Contacts []bank.Contact
	Old      []bank.Contact // still told
	Passkeys []passkeyLine
	HelpLine string
}

func (contactsPage) Template() string { return "portal_contacts.html" }

// passkeyLine is a passkey of the bank's own host.
type passkeyLine struct {
	AddedAt time.Time
	From    time.Time // when it may make links (L14)
	Ready   bool
}

func (t *tenant) livePasskeys(ctx context.Context, acc bank.AccountID) ([]passkeyLine, error) {
	rows, err := t.bank.Store.PasskeysOf(ctx, acc)
	if err != nil {
		return nil, err
	}
	var keys []passkeyLine
	for _, k := range rows {
		if k.RemovedAt.IsZero() {
			from := k.AddedAt.Add(t.bank.Policy.ContactAge)
			keys = append(keys, passkeyLine{k.AddedAt, from, !t.bank.Now().Before(from)})
		}
	}
	return keys, nil
}

func (t *tenant) contactsPage(w http.ResponseWriter, r *http.Request, d depositor) error {
	all, err := t.bank.Store.Contacts(r.Context(), d.Account.ID)
	if err != nil {
		return err
	}
	page := contactsPage{depositor: d, HelpLine: t.bank.Profile.HelpLine}
	for _, c := range all {
		switch {
		case c.Current():
			page.Contacts = append(page.Contacts, c)
		case c.Told(t.bank.Now()):
			page.Old = append(page.Old, c)
		}
	}
	if page.Passkeys, err = t.livePasskeys(r.Context(), d.Account.ID); err != nil {
		return err
	}
	t.site.Render(w, r, page)
	return nil
}

// signOut ends the session, and with it all that this browser had begun at the bank.
func (t *tenant) signOut(w http.ResponseWriter, r *http.Request) error {
	if err := t.sessions.Destroy(r.Context()); err != nil {
		return fault.New(fault.Unavailable, "bankd.signOut", err)
	}
	dropCookie(w, proofCookie)
	dropCookie(w, linkCookie)
	return onward(w, r, "/")
}
