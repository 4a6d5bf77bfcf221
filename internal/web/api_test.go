package web

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/money"
)

type debitInput struct {
	Body struct {
		Amount money.Yen `json:"amount" minimum:"1"`
		Note   string    `json:"note,omitempty" maxLength:"10"`
	}
}

type debitOutput struct {
	Body struct {
		Amount money.Yen `json:"amount"`
	}
}

func sampleAPI(t *testing.T) http.Handler {
	t.Helper()
	s := sampleSite(t, sampleTemplate)
	mux := http.NewServeMux()
	api := NewAPI(mux, "Sample", "1", "A sample.")
	Register(api, huma.Operation{OperationID: "debit", Method: http.MethodPost, Path: "/v1/debits"}, func(_ context.Context, in *debitInput) (*debitOutput, error) {
		if in.Body.Amount > 30000 {
			return nil, fault.Refuse("M1", "sample.Debit", fault.Text{JA: "上限です。", EN: "Over the limit."})
		}
		if in.Body.Amount == 13 {
			return nil, fault.New(fault.Internal, "sample.Debit", context.DeadlineExceeded)
		}
		out := &debitOutput{}
		out.Body.Amount = in.Body.Amount
		return out, nil
	})
	return s.Wrap(mux, nil)
}

func TestAPI(t *testing.T) {
	h := sampleAPI(t)
	for name, c := range map[string]struct {
		body, kind string
		status     int
		want       string
	}{
		"good":          {`{"amount":5}`, "application/json", 200, `"amount":5`},
		"charset":       {`{"amount":5}`, "application/json; charset=utf-8", 200, `"amount":5`},
		"refused":       {`{"amount":30001}`, "application/json", 422, `"rule":"M1"`},
		"inside":        {`{"amount":13}`, "application/json", 500, `"kind":"internal"`},
		"duplicate key": {`{"amount":5,"amount":7}`, "application/json", 400, `"kind":"invalid"`},
		"nested twice":  {`{"amount":5,"note":{"a":1,"a":2}}`, "application/json", 400, `"kind":"invalid"`},
		"unknown key":   {`{"amount":5,"extra":1}`, "application/json", 400, `body.extra`},
		"missing key":   {`{}`, "application/json", 400, `"kind":"invalid"`},
		"negative":      {`{"amount":-5}`, "application/json", 400, `body.amount`},
		"fraction":      {`{"amount":5.5}`, "application/json", 400, `"kind":"invalid"`},
		"text":          {`{"amount":"5"}`, "application/json", 400, `body.amount`},
		"too long":      {`{"amount":5,"note":"s3cret-value"}`, "application/json", 400, `body.note`},
		"trailing":      {`{"amount":5} {}`, "application/json", 400, `"kind":"invalid"`},
		"no JSON":       {`amount=5`, "application/json", 400, `"kind":"invalid"`},
		"form":          {`amount=5`, "application/x-www-form-urlencoded", 400, `application/json`},
		"too large":     {`{"amount":5,"note":"` + strings.Repeat("x", maxBody) + `"}`, "application/json", 400, `"kind":"invalid"`},
		"too deep":      {strings.Repeat("[", 1000) + strings.Repeat("]", 1000), "application/json", 400, `"kind":"invalid"`},
		"empty":         {``, "application/json", 400, `"kind":"invalid"`},
	} {
		r := httptest.NewRequest("POST", "/v1/debits", strings.NewReader(c.body))
		r.Header.Set("Content-Type", c.kind)
		resp := ask(h, r)
		text := body(t, resp)
		if resp.StatusCode != c.status || !strings.Contains(text, c.want) {
			t.Errorf("%s: %d %s", name, resp.StatusCode, text)
		}
		if strings.Contains(text, "$schema") || strings.Contains(text, "s3cret") || strings.Contains(text, "deadline") || resp.Header.Get(malformed) != "" {
			t.Errorf("%s says too much: %v %s", name, resp.Header, text)
		}
		if c.status >= 400 {
			var p ProblemBody
			if ct := resp.Header.Get("Content-Type"); ct != "application/problem+json" || json.Unmarshal([]byte(text), &p) != nil || p.Status != c.status {
				t.Errorf("%s: %s %s", name, ct, text)
			}
		}
	}
}

func TestDescriptionAndReference(t *testing.T) {
	h := sampleAPI(t)
	var doc struct {
		OpenAPI string `json:"openapi"`
		Paths   map[string]map[string]struct {
			Responses map[string]struct {
				Content map[string]any `json:"content"`
			} `json:"responses"`
		} `json:"paths"`
	}
	text := body(t, ask(h, httptest.NewRequest("GET", "/openapi.json", nil)))
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(doc.OpenAPI, "3.1") || doc.Paths["/v1/debits"]["post"].Responses["default"].Content["application/problem+json"] == nil {
		t.Errorf("%s", text)
	}
	if strings.Contains(text, "ErrorModel") || strings.Contains(text, "example.com") {
		t.Errorf("huma's own errors stand in the description: %s", text)
	}
	page := ask(h, httptest.NewRequest("GET", "/reference/", nil))
	shown := body(t, page)
	csp := page.Header.Get("Content-Security-Policy")
	if page.StatusCode != 200 || !strings.Contains(csp, "script-src 'self';") || strings.Contains(shown, "//") && !strings.Contains(shown, "<!DOCTYPE") {
		t.Errorf("%d %s", page.StatusCode, csp)
	}
	if strings.Contains(shown, "http") || strings.Contains(shown, "<script>") {
		t.Errorf("the reference reaches out or runs inline code: %s", shown)
	}
	for _, file := range []string{"swagger-ui.css", "swagger-ui-bundle.js", "start.js"} {
		resp := ask(h, httptest.NewRequest("GET", "/reference/"+file, nil))
		if n := len(body(t, resp)); resp.StatusCode != 200 || n < 100 {
			t.Errorf("%s: %d, %d bytes", file, resp.StatusCode, n)
		}
	}
}

// distinctKeys takes exactly what encoding/json takes, less the bodies with a key twice.
func FuzzDistinctKeys(f *testing.F) {
	for _, s := range []string{`{}`, `{"a":{"a":1}}`, `{"a":1,"a":2}`, `[{"a":1},{"a":2}]`, `{"a":1,"\u0061":2}`, `1 2`, `"x`, ` [ ] `, `[1,]`, `{"a" : -0.5e+3 }`, `01`,
		`-`, `1.`, `1e`, `"\q"`, `"\u12g4"`, `{"\ud800":1,"\ud801":2}`, "{\"\xff\":1,\"\xfe\":2}", "\"\x01\"", `tru`, `nullx`, `{"a"}`, `{,}`, `{"a":1`, "\ufeff{}",
		`{"k1":1,"k2":1,"k3":1,"k4":1,"k5":1,"k6":1,"k7":1,"k8":1,"k9":1,"k1":1}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		err := distinctKeys([]byte(s))
		if err == nil && !json.Valid([]byte(s)) {
			t.Fatalf("%q was taken", s)
		}
		if slow := keysByToken([]byte(s)); json.Valid([]byte(s)) && (err == nil) != (slow == nil) {
			t.Fatalf("%q: %v, token by token %v", s, err, slow)
		}
	})
}

// The checker of descriptions finds each thing that may be missing, and praises a whole one.
func TestCheckDescriptionFindsMistakes(t *testing.T) {
	describe := func(change func(*huma.Operation), ways ...Way) []byte {
		mux := http.NewServeMux()
		api := NewAPI(mux, "Sample", "1", "A sample.")
		op := huma.Operation{OperationID: "debit", Method: http.MethodPost, Path: "/v1/debits", Summary: "Debit", Description: "Once.", Tags: []string{"Debits"}}
		change(&op)
		Register(api, op, func(context.Context, *debitInput) (*debitOutput, error) { return &debitOutput{}, nil })
		Describe[ProblemField](api, huma.Operation{OperationID: "told", Method: http.MethodPost, Path: "/told", Summary: "Tell", Description: "Twice is once.",
			Tags: []string{"Told"}, DefaultStatus: http.StatusNoContent})
		Secure(api, ways...)
		return []byte(body(t, ask(mux, httptest.NewRequest("GET", "/openapi.json", nil))))
	}
	none := func(*huma.Operation) {}
	dpop := DPoP("/token", func(path string) (string, bool) { return "service", path == "/v1/debits" })
	told := Way{"told", huma.SecurityScheme{Type: "apiKey", In: "header", Name: "Told", Description: "A secret."}, func(path string) ([]string, bool) { return nil, path == "/told" }}
	unused := Way{"unused", huma.SecurityScheme{Type: "http", Scheme: "basic", Description: "A password."}, func(string) ([]string, bool) { return nil, false }}
	mute := told
	mute.Scheme.Description = ""
	for name, c := range map[string]struct {
		text []byte
		want string // of the only finding; "" for none
	}{
		"whole":          {describe(none, dpop, told), ""},
		"no summary":     {describe(func(o *huma.Operation) { o.Summary = "" }, dpop, told), "POST /v1/debits: no id, summary or description"},
		"no description": {describe(func(o *huma.Operation) { o.Description = "" }, dpop, told), "POST /v1/debits: no id, summary or description"},
		"no tag":         {describe(func(o *huma.Operation) { o.Tags = nil }, dpop, told), "POST /v1/debits: no tag"},
		"no security":    {describe(none, dpop), "POST /told: no security"},
		"unused":         {describe(none, dpop, told, unused), "unused: a security scheme that no operation uses"},
		"unexplained":    {describe(none, dpop, mute), "told: a security scheme that nothing explains"},
		"unknown":        {describe(func(o *huma.Operation) { o.Security = []map[string][]string{{"gone": {}}} }, dpop, told), `POST /v1/debits: unknown security "gone"`},
		"no problem": {describe(func(o *huma.Operation) { o.Responses = map[string]*huma.Response{"409": {Description: "No."}} }, dpop, told),
			"POST /v1/debits: 409 is no problem"},
		"nothing": {[]byte("{}"), "not a description of anything"},
	} {
		found := CheckDescription(c.text)
		if c.want == "" && len(found) > 0 || c.want != "" && (len(found) != 1 || !strings.HasPrefix(found[0], c.want)) {
			t.Errorf("%s: %q, want %q", name, found, c.want)
		}
	}
}
