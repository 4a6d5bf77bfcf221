// Package server says what a program hands to the server of its role, the same for all three.
package server

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"

	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/observe"
	"github.com/kozamori/kozamori/internal/wire"
)

// Env is the world of a server beside its configuration. What is left out is the real one.
type Env struct {
	Now       clock.Now
	Rand      io.Reader
	Log       *slog.Logger
	Audit     io.Writer         // what staff and machines did, line by line; nil: nowhere but in the database
	Transport http.RoundTripper // outgoing calls
}

// Filled is the environment with the real world where something was left out. In dev, names below localhost are
// this machine.
func (e Env) Filled(dev bool) Env {
	if e.Now == nil {
		e.Now = clock.System
	}
	if e.Rand == nil {
		e.Rand = rand.Reader
	}
	if e.Log == nil {
		e.Log = observe.Discard()
	}
	if e.Transport == nil && dev {
		e.Transport = wire.LocalhostTransport()
	}
	if e.Transport == nil {
		e.Transport = wire.NewTransport()
	}
	return e
}

// Database is a set of tables that knows which of its migrations are missing, and who leads it.
type Database interface {
	Pending(ctx context.Context) ([]string, error)
	Lead(ctx context.Context) error
}

// TakeOver makes this process the one that writes a database (sqldb.DB.Lead). One that lacks a migration is refused
// before: a server changes no tables by itself, `migrate` does.
func TakeOver(ctx context.Context, path string, db Database) error {
	pending, err := db.Pending(ctx)
	switch {
	case err != nil:
		return err
	case len(pending) > 0:
		return fault.New(fault.Unavailable, "server.TakeOver", fmt.Errorf("%s lacks %s: run migrate first", path, strings.Join(pending, ", ")))
	}
	return db.Lead(ctx)
}
