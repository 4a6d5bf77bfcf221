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
	for _, s := range []string{`{}`, `{"a":{"a":1}}`, `{"a":1,"a":2}`, `[{"a":1},{"a":2}]`, `{"a":1,"\u0061":2}`, `1 2`, `"x`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if distinctKeys([]byte(s)) == nil && !json.Valid([]byte(s)) {
			t.Fatalf("%q was taken", s)
		}
	})
}
