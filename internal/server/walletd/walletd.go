// Package walletd serves a payment service: its pages for holders and staff, its API for shops, and the
// background work that brings every charge and every link request to an end.
package walletd

import (
	"context"
	"io"
	"log/slog"
	"net/http"

	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/wallet"
)

// Env is what a program hands to the server beside its configuration.
type Env struct {
	Now       clock.Now
	Rand      io.Reader
	Log       *slog.Logger
	Transport http.RoundTripper // outgoing calls; nil: the default
}

// Server is one wallet, running.
type Server struct {
	cfg    Config
	env    Env
	wallet *wallet.Wallet
}

// Run does the background work until ctx ends.
func (s *Server) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}
