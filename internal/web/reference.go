package web

import (
	"fmt"
	"html"
	"net/http"
	"reflect"

	"github.com/swaggest/swgui/v5emb"
)

var typeOfProblem = reflect.TypeFor[ProblemBody]()

const referencePrefix = "/reference/"

// reference serves the page on which people read and try the API. Its scripts and styles come from the
// program itself; only its styles need an allowance of their own (Swagger UI writes style attributes).
func reference(mux *http.ServeMux, title string) {
	files := v5emb.New(title, "/openapi.json", referencePrefix)
	page := []byte(fmt.Sprintf(`<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>%[1]s</title><link rel="icon" type="image/png" href="%[2]sfavicon-32x32.png"><link rel="stylesheet" href="%[2]sswagger-ui.css"></head>
<body><div id="swagger-ui" data-description="/openapi.json"></div>
<script src="%[2]sswagger-ui-bundle.js"></script><script src="%[2]sstart.js"></script></body></html>
`, html.EscapeString(title), referencePrefix))
	start := []byte("SwaggerUIBundle({url: document.getElementById('swagger-ui').dataset.description, dom_id: '#swagger-ui', " +
		"deepLinking: true, validatorUrl: null, presets: [SwaggerUIBundle.presets.apis], layout: 'BaseLayout'});\n")
	mux.HandleFunc("GET "+referencePrefix+"{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "+
			"img-src 'self' data:; connect-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'")
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(page)
	})
	mux.HandleFunc("GET "+referencePrefix+"start.js", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
		_, _ = w.Write(start)
	})
	mux.HandleFunc("GET "+referencePrefix+"{file}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "public, max-age=3600")
		files.ServeHTTP(w, r)
	})
	mux.Handle("GET /reference", http.RedirectHandler(referencePrefix, http.StatusMovedPermanently))
}
