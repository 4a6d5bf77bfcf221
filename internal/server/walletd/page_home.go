package walletd

import (
	"net/http"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/identity"
	"github.com/kozamori/kozamori/internal/wallet"
)

// welcomePage is what a stranger sees.
type welcomePage struct{}

func (welcomePage) Template() string { return "welcome.html" }

// homePage is a holder's first page.
type homePage struct {
	Purse  wallet.Purse
	Left   wallet.Left
	Links  []linkRow
	Proved bool
}

func (homePage) Template() string { return "home.html" }

// Linked says whether there is a link at all.
func (p homePage) Linked() bool { return len(p.Links) > 0 }

func (s *Server) pageHome(w http.ResponseWriter, r *http.Request) error {
	h, err := s.holder(r)
	if fault.Of(err) == fault.Unauthorised && err != nil {
		s.site.Render(w, r, welcomePage{})
		return nil
	}
	if err != nil {
		return err
	}
	page := homePage{Proved: h.Level >= identity.Proved}
	if page.Purse, err = s.wallet.PurseOf(r.Context(), h.Subject); err != nil {
		return err
	}
	if page.Left, err = s.wallet.LimitsLeft(r.Context(), h.Subject); err != nil {
		return err
	}
	links, err := s.store.LinksOf(r.Context(), h.Subject)
	if err != nil {
		return err
	}
	for _, l := range links {
		if !l.Over(s.env.Now()) {
			page.Links = append(page.Links, rowOf(l, s.env.Now()))
		}
	}
	s.site.Render(w, r, page)
	return nil
}
