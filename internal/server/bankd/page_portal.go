package bankd

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/kozamori/kozamori/internal/web"
)

// The money half's hooks into routes.go: its owner fills them in.

var portalTexts = web.Texts{}

func portalNav(*http.Request) []web.Link { return nil }

func portalSignOut(*http.Request) string { return "" }

func (t *tenant) portalRoutes(*http.ServeMux) {}

func (t *tenant) moneyAPI(huma.API) {}
