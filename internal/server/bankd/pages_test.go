package bankd

import (
	"testing"

	"github.com/kozamori/kozamori/internal/web"
)

// Every template against the struct of its page, every word in both languages.
func TestTemplatesFitTheirPages(t *testing.T) {
	site, err := newSite(false)
	must(t, err)
	must(t, site.Check(
		accountPage{Form: web.NewForm()}, methodsPage{}, codePage{Form: web.NewForm()}, passkeyPage{}, atmPage{},
		pinPage{Form: web.NewForm()}, consentPage{Form: web.NewForm()}, overPage{},
		signInPage{Form: web.NewForm()}, homePage{}, passbookPage{}, linksPage{}, portalLinkPage{}, debitsPage{}, contactsPage{},
		enrolPage{}, stopPage{}, stoppedPage{},
	))
}
