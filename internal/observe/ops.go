package observe

import (
	"context"
	"io"
	"net/http"
	"time"
)

// readyWithin bounds the readiness question, so that a hanging disk reads as not ready.
const readyWithin = 2 * time.Second

// Ops is the handler of the operator's own listener: /metrics, /healthz (the process answers) and
// /readyz (ready says nil). It must not be reachable from outside. A nil ready is always ready.
func Ops(m *Metrics, ready func(context.Context) error) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", m.Handler())
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { plain(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), readyWithin)
		defer cancel()
		if ready != nil {
			if err := ready(ctx); err != nil {
				plain(w, http.StatusServiceUnavailable, "not ready")
				return
			}
		}
		plain(w, http.StatusOK, "ready")
	})
	return mux
}

func plain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text+"\n")
}
