package sqldb

import (
	"context"
	"database/sql/driver"
	"sync/atomic"

	"github.com/jackc/pgx/v5/stdlib"
)

// A process that serves many banks has many pools, and the server of them all takes 100 connections unless it is told
// otherwise. So the pools of a process share a number of places: who finds them taken waits, and a connection that
// comes back to its pool while somebody waits is closed, which frees its place.

// connections bounds those of a process to PostgreSQL, over all pools.
const connections = 60

var places = &slots{free: make(chan struct{}, connections)}

// slots are places for connections.
type slots struct {
	free    chan struct{} // holds one for each place that is taken
	waiting atomic.Int64
}

// take waits for a place.
func (s *slots) take(ctx context.Context) error {
	select {
	case s.free <- struct{}{}:
		return nil
	default:
	}
	s.waiting.Add(1)
	defer s.waiting.Add(-1)
	select {
	case s.free <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// connector opens connections that have a place.
type connector struct {
	driver.Connector
	slots *slots
}

// Connect implements driver.Connector.
func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	if err := c.slots.take(ctx); err != nil {
		return nil, err
	}
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		<-c.slots.free
		return nil, err
	}
	return &placed{Conn: conn.(*stdlib.Conn), slots: c.slots}, nil
}

// placed is a connection that has a place.
type placed struct {
	*stdlib.Conn
	slots  *slots
	closed atomic.Bool
}

// IsValid implements driver.Validator: a connection is kept while nobody waits for its place.
func (p *placed) IsValid() bool { return p.slots.waiting.Load() == 0 }

// Close implements driver.Conn.
func (p *placed) Close() error {
	err := p.Conn.Close()
	if !p.closed.Swap(true) {
		<-p.slots.free
	}
	return err
}
