package sessionsql_test

import (
	"testing"
	"time"

	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/store/pgtest"
	"github.com/kozamori/kozamori/internal/store/sessionsql"
	"github.com/kozamori/kozamori/internal/store/sqldb"
)

func TestSessionsEndAndAreForgotten(t *testing.T) { pgtest.Both(t, testSessionsEndAndAreForgotten) }

func testSessionsEndAndAreForgotten(t *testing.T, place func() string) {
	path := place()
	db, err := sqldb.Open(path, sessionsql.Source)
	if err != nil {
		t.Fatal(err)
	}
	s := sessionsql.New(db)
	if err := s.Commit("live", []byte("a"), clock.System().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := s.Commit("live", []byte("b"), clock.System().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := s.Commit("over", []byte("c"), clock.System().Add(-time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, found, err := s.Find("over"); err != nil || found {
		t.Errorf("an ended session was found (%v)", err)
	}
	if err := s.Forget(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}

	db, err = sqldb.Open(path, sessionsql.Source)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	s = sessionsql.New(db)
	data, found, err := s.Find("live")
	if err != nil || !found || string(data) != "b" {
		t.Errorf("after a restart: %q, %v, %v", data, found, err)
	}
	if err := s.Delete("live"); err != nil {
		t.Fatal(err)
	}
	if _, found, _ := s.Find("live"); found {
		t.Error("a deleted session was found")
	}
	if err := s.Commit("live", []byte("c"), clock.System().Add(time.Hour)); err != nil { // a request that was under way
		t.Fatal(err)
	}
	if _, found, _ := s.Find("live"); found {
		t.Error("a deleted session came back")
	}
	var left int
	if err := db.Read().QueryRow(`SELECT COUNT(*) FROM sessions WHERE length(data) > 0`).Scan(&left); err != nil || left != 0 {
		t.Errorf("%d rows left, %v", left, err)
	}
}
