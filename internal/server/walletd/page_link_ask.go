package walletd

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/money"
	"github.com/kozamori/kozamori/internal/observe"
	"github.com/kozamori/kozamori/internal/wallet"
	"github.com/kozamori/kozamori/internal/web"
	"github.com/kozamori/kozamori/internal/wire"
	"github.com/kozamori/kozamori/internal/zengin"
)

func (s *Server) bankList(ctx context.Context) ([]wallet.HubBank, error) {
	return s.banks.get(ctx, func(ctx context.Context) ([]wallet.HubBank, error) {
		banks, err := s.wallet.Hub.Banks(ctx)
		if err != nil {
			return nil, err
		}
		banks = slices.DeleteFunc(banks, func(b wallet.HubBank) bool { return !s.wallet.Messages.Knows(ctx, b.Issuer) })
		slices.SortFunc(banks, func(a, b wallet.HubBank) int { return strings.Compare(string(a.Bank), string(b.Bank)) })
		return banks, nil
	})
}

// search finds banks of the list as the directory of all banks ranks them: by kana, kanji, romaji or code.
func search(banks []wallet.HubBank, typed string, n int) []wallet.HubBank {
	byCode := map[id.Bank]wallet.HubBank{}
	for _, b := range banks {
		byCode[b.Bank] = b
	}
	var out []wallet.HubBank
	dir := zengin.Today()
	for _, found := range dir.Search(typed, len(dir.Banks())) {
		if b, ok := byCode[found.Code]; ok && len(out) < n {
			out = append(out, b)
		}
	}
	return out
}

type choosePage struct {
	Form  *web.Form
	Banks []bankRow
	Level int
}

func (choosePage) Template() string { return "choose.html" }

type bankRow struct {
	wallet.HubBank
	Linked bool
}

// Open says whether the bank takes new links.
func (b bankRow) Open() bool { return b.State == wallet.BankOpen }

func bankField() web.Field {
	return web.Field{Name: "bank", Kind: web.SuggestField, Suggest: "/links/banks", Max: 60,
		Label: fault.Text{JA: "銀行をさがす", EN: "Find your bank"},
		Hint:  fault.Text{JA: "漢字・かな・ローマ字・銀行コードのどれでも", EN: "By name, kana, romaji or bank code"}}
}

// pageChoose lists the banks; without the script of the page, ?bank= searches it.
func (s *Server) pageChoose(w http.ResponseWriter, r *http.Request, h wallet.Holder) error {
	banks, err := s.bankList(r.Context())
	if err != nil {
		return err
	}
	page := choosePage{Form: web.NewForm(bankField()), Level: int(h.Level)}
	if typed := strings.TrimSpace(r.URL.Query().Get("bank")); typed != "" {
		page.Form.Set("bank", typed)
		banks = search(banks, typed, len(banks))
	}
	links, err := s.store.LinksOf(r.Context(), h.Subject)
	if err != nil {
		return err
	}
	for _, b := range banks {
		linked := slices.ContainsFunc(links, func(l wallet.Link) bool { return l.Issuer == b.Issuer && !l.Over(s.env.Now()) })
		page.Banks = append(page.Banks, bankRow{b, linked})
	}
	s.site.Render(w, r, page)
	return nil
}

// listBanks answers the search while typing.
func (s *Server) listBanks(w http.ResponseWriter, r *http.Request, _ wallet.Holder) error {
	type entry struct {
		Value string `json:"value"`
		Label string `json:"label"`
		Note  string `json:"note"`
		URL   string `json:"url"`
	}
	banks, err := s.bankList(r.Context())
	if err != nil {
		return err
	}
	out := []entry{}
	for _, b := range search(banks, r.URL.Query().Get("q"), 8) {
		out = append(out, entry{string(b.Bank), b.Name.In(web.Lang(r)), string(b.Bank), "/links/new/" + string(b.Bank)})
	}
	web.WriteJSON(w, http.StatusOK, out)
	return nil
}

// reviewPage says what will be asked of the bank, before the browser goes there.
type reviewPage struct {
	Bank     wallet.HubBank
	Years    int
	Refused  fault.Text
	Rule     string
	PerDebit money.Yen
	PerDay   money.Yen
	PerMonth money.Yen
	Cap      money.Yen // at most, while the link is new
}

func (reviewPage) Template() string { return "review.html" }

func (s *Server) bank(r *http.Request) (wallet.HubBank, error) {
	banks, err := s.bankList(r.Context())
	if err != nil {
		return wallet.HubBank{}, err
	}
	i := slices.IndexFunc(banks, func(b wallet.HubBank) bool { return string(b.Bank) == r.PathValue("bank") })
	if i < 0 {
		return wallet.HubBank{}, fault.New(fault.NotFound, "walletd.bank", errors.New("not in the hub's list"))
	}
	return banks[i], nil
}

func (s *Server) pageReview(w http.ResponseWriter, r *http.Request, h wallet.Holder) error {
	b, err := s.bank(r)
	if err != nil {
		return err
	}
	l := s.wallet.Profile.Limits
	page := reviewPage{Bank: b, Years: s.wallet.Profile.Valid, PerDebit: l.PerDebit, PerDay: l.Per24h, PerMonth: l.Per30Days, Cap: wallet.LimitedCap}
	if err := s.wallet.MayAsk(r.Context(), h, b); err != nil {
		if fault.Of(err) != fault.Refused {
			return err
		}
		page.Refused, page.Rule = fault.PublicOf(err), fault.RuleOf(err)
	}
	if err := web.AllowFormAction(w, string(b.Issuer)); err != nil {
		return fault.New(fault.Internal, "walletd.review", err)
	}
	s.site.Render(w, r, page)
	return nil
}

// doAsk makes the request and sends the browser to the bank, with the cookie it must bring back (L12).
func (s *Server) doAsk(w http.ResponseWriter, r *http.Request, h wallet.Holder) error {
	b, err := s.bank(r)
	if err != nil {
		return err
	}
	asking, err := s.wallet.RequestLink(r.Context(), h, b.Issuer)
	if err != nil {
		return err
	}
	s.remember(r.Context(), asking.Ask.Request)
	name, value := asking.Ask.Cookie()
	http.SetCookie(w, &http.Cookie{Name: name, Value: value, Path: "/", HttpOnly: true, Secure: true,
		SameSite: http.SameSiteLaxMode, MaxAge: int(wallet.AskLife.Seconds())})
	http.Redirect(w, r, asking.URL, http.StatusSeeOther)
	return nil
}

// mostAsks bounds the requests a session remembers.
const mostAsks = 10

func (s *Server) remember(ctx context.Context, request id.Request) {
	asks := append(strings.Fields(s.sessions.GetString(ctx, keyAsks)), string(request))
	s.sessions.Put(ctx, keyAsks, strings.Join(asks[max(0, len(asks)-mostAsks):], " "))
}

// pageReturn takes the browser that comes back from a bank. The parameters are single and no others.
func (s *Server) pageReturn(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	q := r.URL.Query()
	for name, values := range q {
		if len(values) != 1 || !slices.Contains([]string{"state", "code", "iss", "error", "error_description", "error_uri"}, name) {
			return fault.New(fault.Invalid, "walletd.return", errors.New("parameters no bank of ours sends"))
		}
	}
	back := wallet.Back{
		State: q.Get("state"), Code: q.Get("code"), Issuer: q.Get("iss"), Error: q.Get("error"),
		Asked: func(request id.Request) bool {
			return slices.Contains(strings.Fields(s.sessions.GetString(ctx, keyAsks)), string(request))
		},
		Cookie: func(name string) string {
			c, err := r.Cookie(name)
			if err != nil {
				return ""
			}
			return c.Value
		},
	}
	h, err := s.holder(r)
	switch {
	case err == nil:
		back.Subject = h.Subject
	case fault.Of(err) != fault.Unauthorised:
		return err
	}
	a, err := s.wallet.Returned(ctx, back)
	if err != nil {
		return err
	}
	observe.Add(ctx, slog.String("link_request", string(a.Request)))
	name, _ := a.Cookie()
	http.SetCookie(w, &http.Cookie{Name: name, Path: "/", HttpOnly: true, Secure: true, SameSite: http.SameSiteLaxMode, MaxAge: -1})
	http.Redirect(w, r, "/links/requests/"+string(a.Request), http.StatusSeeOther)
	return nil
}

// askPage shows how far a request has come, and keeps itself fresh until it is over.
type askPage struct {
	Request id.Request
	Bank    fault.Text
	Stage   wallet.AskStage
	Why     fault.Text
	Link    *linkRow
	Waiting bool // the link waits for a receipt of a notice
}

func (askPage) Template() string { return "ask.html" }

// Open says that the bank's answer is still to come.
func (p askPage) Open() bool { return p.Stage == wallet.AskReturned || p.Stage == wallet.AskPushed }

// Dead says that nothing came of it.
func (p askPage) Dead() bool { return p.Stage == wallet.AskDead }

func (s *Server) pageAsk(w http.ResponseWriter, r *http.Request, h wallet.Holder) error {
	a, err := s.store.Ask(r.Context(), id.Request(r.PathValue("request")))
	if err != nil {
		return err
	}
	if a.Subject != h.Subject {
		return fault.New(fault.NotFound, "walletd.ask", nil)
	}
	page := askPage{Request: a.Request, Bank: a.BankName, Stage: a.StageAt(s.env.Now()), Why: deadTexts[a.Reason]}
	if page.Why.JA == "" {
		page.Why = deadTexts["timeout"]
	}
	if a.Link != "" {
		l, err := s.store.Link(r.Context(), a.Link)
		if err != nil {
			return err
		}
		row := rowOf(l, s.env.Now())
		page.Link, page.Waiting = &row, row.State == wire.LinkWaiting
	}
	s.site.Render(w, r, page)
	return nil
}
