package walletd

import (
	"net/http"
	"time"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/money"
	"github.com/kozamori/kozamori/internal/wallet"
	"github.com/kozamori/kozamori/internal/wire"
)

// linkRow is a link in a list and on its page.
type linkRow struct {
	wallet.Link
	Bank    fault.Text
	State   wire.LinkState
	Tone    string     // of its badge: "good", "warn", "bad", ""
	Word    fault.Text // the state in a word
	Says    fault.Text // what it means for her now
	Until   time.Time  // until when; zero: for no set time
	Changes bool       // the bank has not answered a change yet
}

// rowOf says a link's state in plain words.
func rowOf(l wallet.Link, now time.Time) linkRow {
	row := linkRow{Link: l, Bank: fault.Text{JA: l.BankName, EN: l.BankNameEN}, State: l.StateAt(now), Changes: len(l.Changes) > 0}
	t := stateTexts[row.State]
	row.Word, row.Says, row.Tone = t.word, t.says, t.tone
	switch row.State {
	case wire.LinkWaiting:
		row.Until = l.ReceiptUntil
	case wire.LinkCooling:
		row.Until = l.CoolingUntil
	case wire.LinkLimited:
		row.Until = l.LimitedUntil
		if l.UntilProof {
			row.Says, row.Until = textUntilProof, time.Time{}
		}
	case wire.LinkActive:
		row.Until = l.ValidUntil
	case wire.LinkSuspended:
		if why, ok := reasonTexts[l.Reason]; ok {
			row.Says = why
		}
	}
	if l.EndRequested {
		row.Word, row.Says, row.Tone, row.Until = textEndingWord, textEnding, "", time.Time{}
	}
	return row
}

type linksPage struct {
	Links []linkRow
	Over  []linkRow
	Asks  []wallet.Ask
	Level int
}

func (linksPage) Template() string { return "links.html" }

func (s *Server) pageLinks(w http.ResponseWriter, r *http.Request, h wallet.Holder) error {
	links, err := s.store.LinksOf(r.Context(), h.Subject)
	if err != nil {
		return err
	}
	asks, err := s.openAsks(r, h)
	if err != nil {
		return err
	}
	page := linksPage{Asks: asks, Level: int(h.Level)}
	for _, l := range links {
		if row := rowOf(l, s.env.Now()); l.Over(s.env.Now()) {
			page.Over = append(page.Over, row)
		} else {
			page.Links = append(page.Links, row)
		}
	}
	s.site.Render(w, r, page)
	return nil
}

// openAsks are the requests that a bank still works on.
func (s *Server) openAsks(r *http.Request, h wallet.Holder) ([]wallet.Ask, error) {
	asks, err := s.store.AsksOf(r.Context(), h.Subject)
	if err != nil {
		return nil, err
	}
	var open []wallet.Ask
	for _, a := range asks {
		if a.Stage == wallet.AskReturned {
			open = append(open, a)
		}
	}
	return open, nil
}

type linkPage struct {
	linkRow
	MayCharge bool
	MayEnd    bool
	MayProve  bool // suspended: it can be proved again at the bank
	Cap       money.Yen
}

func (linkPage) Template() string { return "link.html" }

// PerDebit and the others are the consented limits.
func (p linkPage) PerDebit() money.Yen { return p.Limits.PerDebit }

// PerDay is the limit in any 24 hours.
func (p linkPage) PerDay() money.Yen { return p.Limits.Per24h }

// PerMonth is the limit in any 30 days.
func (p linkPage) PerMonth() money.Yen { return p.Limits.Per30Days }

// Limited says whether the lower limit of a new link holds now.
func (p linkPage) Limited() bool { return p.State == wire.LinkLimited }

func (s *Server) pageLink(w http.ResponseWriter, r *http.Request, h wallet.Holder) error {
	l, err := s.store.Link(r.Context(), id.Link(r.PathValue("link")))
	if err != nil {
		return err
	}
	if l.Subject != h.Subject {
		return fault.New(fault.NotFound, "walletd.link", nil)
	}
	now := s.env.Now()
	row := rowOf(l, now)
	s.site.Render(w, r, linkPage{linkRow: row, MayCharge: l.Chargeable(now), MayEnd: !l.Over(now) && !l.EndRequested,
		MayProve: row.State == wire.LinkSuspended && !l.EndRequested, Cap: wallet.LimitedCap})
	return nil
}

func (s *Server) doEnd(w http.ResponseWriter, r *http.Request, h wallet.Holder) error {
	link := id.Link(r.PathValue("link"))
	if err := s.wallet.EndLink(r.Context(), h.Subject, link); err != nil {
		return err
	}
	http.Redirect(w, r, "/links/"+string(link), http.StatusSeeOther)
	return nil
}
