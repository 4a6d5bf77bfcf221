package web

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"mime"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/observe"
)

// maxBody bounds the body of an API call.
const maxBody = 256 << 10

// NewAPI describes a role's interface for programs from the code that serves it: OpenAPI 3.1 at
// /openapi.json, read by people at /reference. Bodies with a duplicate or unknown key are refused before
// huma sees them. Register operations with Register.
func NewAPI(mux *http.ServeMux, title, version, description string) huma.API {
	c := huma.DefaultConfig(title, version)
	c.Info.Description = description
	c.CreateHooks = nil // no $schema in answers
	c.Transformers = []huma.Transformer{ourProblem}
	c.DocsPath, c.SchemasPath, c.OpenAPIPath = "", "", "/openapi"
	c.Formats = map[string]huma.Format{"application/json": huma.DefaultJSONFormat, "json": huma.DefaultJSONFormat}
	c.DefaultFormat = "application/json"
	c.RejectUnknownQueryParameters = true
	reference(mux, title)
	return humago.New(strictMux{mux}, c)
}

// Register adds an operation whose errors are *fault.Error and reach the caller as problem+json.
func Register[I, O any](api huma.API, op huma.Operation, handle func(context.Context, *I) (*O, error)) {
	if op.Responses == nil {
		op.Responses = map[string]*huma.Response{}
	}
	// The body was read by strictMux, within the server's own time. huma would set a deadline on the connection all
	// the same, five seconds from now: a handler that waits longer for another role would find its context
	// cancelled, and so would every later request on that connection.
	op.BodyReadTimeout = -1
	op.Responses["default"] = problemResponse(api)
	huma.Register(api, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := handle(ctx, in)
		if err != nil {
			observe.Failed(ctx, err)
			return nil, ProblemOf(ctx, err)
		}
		return out, nil
	})
	schemas := api.OpenAPI().Components.Schemas
	delete(schemas.Map(), "ErrorModel") // huma describes its own error, which no caller ever sees
	delete(schemas.Map(), "ErrorDetail")
}

// problemResponse describes every answer that is an error.
func problemResponse(api huma.API) *huma.Response {
	return &huma.Response{
		Description: "A problem (RFC 9457): kind, rule where one refuses, and words for people.",
		Content: map[string]*huma.MediaType{"application/problem+json": {
			Schema: api.OpenAPI().Components.Schemas.Schema(typeOfProblem, true, "Problem")}},
	}
}

// ourProblem turns what huma says of a malformed request into our problem.
func ourProblem(ctx huma.Context, _ string, v any) (any, error) {
	e, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	p := ProblemOf(ctx.Context(), &fault.Error{Kind: kindOf(e.Status), Op: "web.api"})
	if p.Status = e.Status; e.Status == http.StatusUnprocessableEntity { // huma's word for malformed; ours is 400
		p.Status = http.StatusBadRequest
		ctx.SetHeader(malformed, "1")
	}
	for _, d := range e.Errors {
		if d != nil {
			p.Errors = append(p.Errors, ProblemField{Where: d.Location, What: d.Message}) // never the value itself
		}
	}
	observe.Failed(ctx.Context(), fault.New(kindOf(e.Status), "web.api", fmt.Errorf("%s: %v", e.Detail, p.Errors)))
	return p, nil
}

func kindOf(status int) fault.Kind {
	switch {
	case status == http.StatusNotFound:
		return fault.NotFound
	case status == http.StatusTooManyRequests:
		return fault.Busy
	case status >= 500:
		return fault.Internal
	}
	return fault.Invalid
}

// malformed marks, between ourProblem and badRequest, an answer of huma whose status becomes 400.
const malformed = "Kozamori-Malformed"

type badRequest struct{ http.ResponseWriter }

// Unwrap lets http.ResponseController reach the real writer.
func (w badRequest) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w badRequest) WriteHeader(status int) {
	if w.Header().Get(malformed) != "" {
		w.Header().Del(malformed)
		status = http.StatusBadRequest
	}
	w.ResponseWriter.WriteHeader(status)
}

// strictMux checks each JSON body before its operation reads it.
type strictMux struct{ *http.ServeMux }

// HandleFunc registers a route behind the check of its body.
func (m strictMux) HandleFunc(pattern string, h func(http.ResponseWriter, *http.Request)) {
	m.ServeMux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		w = badRequest{w}
		if safe(r.Method) || r.Body == nil || r.Body == http.NoBody {
			h(w, r)
			return
		}
		b, err := readBody(w, r)
		if err != nil {
			Problem(w, r, badBody("読み取れません。大きすぎる可能性があります。", "The body could not be read; it may be too large.", err))
			return
		}
		if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); len(b) > 0 && (err != nil || kind != "application/json") {
			Problem(w, r, badBody("Content-Type は application/json にしてください。", "Content-Type must be application/json.", err))
			return
		}
		if err := distinctKeys(b); len(b) > 0 && err != nil {
			Problem(w, r, badBody("JSON が正しくないか、同じキーが二度あります。", "Not JSON, or a key stands twice.", err))
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(b))
		h(w, r)
	})
}

func badBody(ja, en string, err error) error {
	return &fault.Error{Kind: fault.Invalid, Op: "web.body", Err: err, Public: fault.Text{JA: ja, EN: en}}
}

// readBody reads all of a body, at most maxBody of it. How long a client says it is saves growing, up to roomFor.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	var b bytes.Buffer
	if r.ContentLength > 0 {
		b.Grow(int(min(r.ContentLength, roomFor)) + bytes.MinRead) // which ReadFrom wants free before it has seen the end
	}
	_, err := b.ReadFrom(http.MaxBytesReader(w, r.Body, maxBody))
	return b.Bytes(), err
}

// roomFor is how much is set aside for a body of which nothing has come yet.
const roomFor = 32 << 10
