package observe

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/fault"
)

// Wiring is what Wide needs.
type Wiring struct {
	Role    string
	Log     *slog.Logger
	Metrics *Metrics  // nil for none
	Now     clock.Now // nil is clock.System; only for durations

	// OnError answers a request whose handler panicked before it wrote anything (web.Site.Error or
	// web.Problem); nil answers a bare 500.
	OnError func(http.ResponseWriter, *http.Request, error)
}

// record gathers what the line of one request will say.
type record struct {
	id string

	mu    sync.Mutex
	route string
	party string
	err   error
	attrs []slog.Attr
}

type recordKey struct{}

func from(ctx context.Context) *record {
	rec, _ := ctx.Value(recordKey{}).(*record)
	return rec
}

// Wide writes one log line for every request, with the route's pattern and never the path itself, for a
// path may hold a code; no query string, header, cookie or body is ever read for it. It counts the
// request in the metrics and turns a panic into an answer. Wrap the mux inside with Routed.
func Wide(next http.Handler, o Wiring) http.Handler {
	if o.Now == nil {
		o.Now = clock.System
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := &record{id: newRequestID()}
		start := o.Now()
		r = r.WithContext(context.WithValue(r.Context(), recordKey{}, rec))
		cw := &countingWriter{ResponseWriter: w}
		defer func() {
			if v := recover(); v != nil {
				o.panicked(cw, r, rec, v)
			}
			o.finish(r, rec, cw, o.Now().Sub(start))
			if cw.abort {
				panic(http.ErrAbortHandler)
			}
		}()
		next.ServeHTTP(cw, r)
	})
}

// Routed tells the log line which route the mux chose, also through middlewares that copy the request.
func Routed(mux http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if rec := from(r.Context()); rec != nil {
				rec.mu.Lock()
				if rec.route == "" {
					rec.route = r.Pattern
				}
				rec.mu.Unlock()
			}
		}()
		mux.ServeHTTP(w, r)
	})
}

// panicked answers in place of a handler that panicked, and notes where.
func (o Wiring) panicked(w *countingWriter, r *http.Request, rec *record, v any) {
	if v == http.ErrAbortHandler {
		w.abort = true
		return
	}
	Add(r.Context(), slog.String("panic", panicText(v)), slog.String("at", frames()))
	err := fault.New(fault.Internal, "observe.Wide", fmt.Errorf("panic: %s", panicText(v)))
	Failed(r.Context(), err)
	switch {
	case w.status != 0: // half an answer went out: cut the connection, so that nobody takes it for whole
		w.abort = true
	case o.OnError != nil:
		defer func() {
			if recover() != nil { // the error page is broken too
				w.abort = true
			}
		}()
		o.OnError(w, r, err)
	default:
		w.WriteHeader(http.StatusInternalServerError)
	}
}

// finish writes the line.
func (o Wiring) finish(r *http.Request, rec *record, w *countingWriter, took time.Duration) {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	if rec.route == "" {
		rec.route = r.Pattern
	}
	status := w.status
	if status == 0 {
		status = http.StatusOK
	}
	if o.Metrics != nil {
		o.Metrics.request(rec.route, r.Method, status, took)
	}
	attrs := make([]slog.Attr, 0, 10+len(rec.attrs))
	attrs = append(attrs,
		slog.String("req", rec.id),
		slog.String("method", method(r.Method)),
		slog.String("route", rec.route),
		slog.Int("status", status),
		slog.Int64("us", took.Microseconds()),
		slog.Int64("bytes", w.bytes))
	if rec.party != "" {
		attrs = append(attrs, slog.String("party", rec.party))
	}
	if rec.err != nil {
		attrs = append(attrs, slog.String("kind", fault.Of(rec.err).String()), slog.String("err", rec.err.Error()))
		if rule := fault.RuleOf(rec.err); rule != "" {
			attrs = append(attrs, slog.String("rule", rule))
		}
	}
	level := slog.LevelInfo
	if status >= 500 {
		level = slog.LevelError
	}
	o.Log.LogAttrs(context.WithoutCancel(r.Context()), level, "request", append(attrs, rec.attrs...)...)
}

// Add puts attributes on the log line of the request of ctx; without one it does nothing. Values that are
// secret must be of type Secret.
func Add(ctx context.Context, attrs ...slog.Attr) {
	if rec := from(ctx); rec != nil {
		rec.mu.Lock()
		rec.attrs = append(rec.attrs, attrs...)
		rec.mu.Unlock()
	}
}

// Party says on the log line who is asking: a subject, a pseudonym, a client id; never a name or a number
// of an account.
func Party(ctx context.Context, party string) {
	if rec := from(ctx); rec != nil {
		rec.mu.Lock()
		rec.party = party
		rec.mu.Unlock()
	}
}

// Failed says on the log line how the request failed: kind, rule, and the error's text. The last call wins.
func Failed(ctx context.Context, err error) {
	rec := from(ctx)
	if rec == nil || err == nil {
		return
	}
	rec.mu.Lock()
	defer rec.mu.Unlock()
	rec.err = err
}

// RequestID is the reference number of the request of ctx, as people may read it out: 13 characters.
// Without a request it is "".
func RequestID(ctx context.Context) string {
	if rec := from(ctx); rec != nil {
		return rec.id
	}
	return ""
}

// readable leaves out the letters that people confuse (Crockford).
var readable = base32.NewEncoding("0123456789ABCDEFGHJKMNPQRSTVWXYZ").WithPadding(base32.NoPadding)

func newRequestID() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails since Go 1.24
	return readable.EncodeToString(b[:])
}

// method keeps made-up methods out of logs and metrics.
func method(m string) string {
	switch m {
	case "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS":
		return m
	}
	return "other"
}

// panicText tells what panicked: texts and runtime errors as they are, of other values the type only.
func panicText(v any) string {
	switch v := v.(type) {
	case string:
		return short(v, 200)
	case runtime.Error:
		return short(v.Error(), 200)
	}
	return fmt.Sprintf("%T", v)
}

// frames names the functions that were running; no argument is in it.
func frames() string {
	pcs := make([]uintptr, 24)
	it := runtime.CallersFrames(pcs[:runtime.Callers(4, pcs)])
	var b strings.Builder
	for {
		f, more := it.Next()
		if name := f.Function; name != "" && !strings.HasPrefix(name, "runtime.") {
			fmt.Fprintf(&b, "%s:%d ", name[strings.LastIndexByte(name, '/')+1:], f.Line)
		}
		if !more {
			return strings.TrimSpace(b.String())
		}
	}
}

// countingWriter notes status and size, and passes flushing and deadlines through.
type countingWriter struct {
	http.ResponseWriter
	status int
	bytes  int64
	abort  bool
}

// Unwrap lets http.ResponseController reach the real writer.
func (w *countingWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *countingWriter) WriteHeader(status int) {
	if w.status == 0 && status >= 200 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *countingWriter) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(b)
	w.bytes += int64(n)
	return n, err
}
