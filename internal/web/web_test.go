package web

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/money"
)

type samplePage struct {
	Form   *Form
	Amount money.Yen
	Rows   []sampleRow
	Key    Ceremony
}

type sampleRow struct{ Name string }

func (samplePage) Template() string { return "sample.html" }

const sampleTemplate = `{{define "title"}}{{t "sample.title"}}{{end}}
{{define "content"}}<h1>{{t "sample.title"}}</h1><p>{{yen .Amount}}</p>
<form method="post" action="/send">{{template "form-errors" .Form}}{{template "fields" .Form}}{{template "ceremony" .Key}}<button disabled>ok</button></form>
{{range $i, $r := .Rows}}<p>{{$i}} {{$r.Name}} {{$.Amount}}</p>{{end}}{{end}}`

func sampleSite(t *testing.T, template string) *Site {
	t.Helper()
	s, err := NewSite(Options{
		Theme: Wallet, Name: fault.Text{JA: "まるペイ", EN: "Maru Pay"},
		Pages: fstest.MapFS{"sample.html": {Data: []byte(template)}},
		Texts: Texts{"sample.title": {JA: "見本", EN: "Sample"}},
		API:   []string{"/v1/"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func samplePageValue() samplePage {
	return samplePage{
		Form:   NewForm(Field{Name: "email", Kind: EmailField, Label: fault.Text{JA: "メール", EN: "E-mail"}}),
		Amount: 12345, Rows: []sampleRow{{"a"}},
	}
}

func TestRenderInBothLanguages(t *testing.T) {
	s := sampleSite(t, sampleTemplate)
	if err := s.Check(samplePageValue()); err != nil {
		t.Fatal(err)
	}
	for lang, want := range map[string][]string{"ja": {"見本", "12,345円", "まるペイ"}, "en": {"Sample", "¥12,345", "Maru Pay"}} {
		r := httptest.NewRequest("GET", "/x", nil)
		r.AddCookie(&http.Cookie{Name: langCookie, Value: lang})
		w := httptest.NewRecorder()
		s.Render(w, r, samplePageValue())
		for _, text := range want {
			if !strings.Contains(w.Body.String(), text) {
				t.Errorf("%s: no %q in\n%s", lang, text, w.Body)
			}
		}
	}
}

func mapFS(name, text string) fstest.MapFS { return fstest.MapFS{name: {Data: []byte(text)}} }
