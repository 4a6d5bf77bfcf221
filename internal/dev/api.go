package dev

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/kozamori/kozamori/internal/audit"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/web"
	"github.com/kozamori/kozamori/internal/wire"
)

// decode reads a small JSON body.
func decode(r *http.Request, into any) error {
	body, err := io.ReadAll(io.LimitReader(r.Body, 64<<10))
	if err != nil {
		return fault.New(fault.Invalid, "dev.api", err)
	}
	return wire.DecodeStrict(body, into)
}

func (p *pages) apiInfo(w http.ResponseWriter, _ *http.Request) error {
	web.WriteJSON(w, http.StatusOK, p.info())
	return nil
}

// apiInbox answers the letters to an address after number n, waiting up to ten seconds for the first.
func (p *pages) apiInbox(w http.ResponseWriter, r *http.Request) error {
	after, _ := strconv.Atoi(r.URL.Query().Get("after"))
	timer := time.NewTimer(10 * time.Second)
	defer timer.Stop()
	for {
		letters, more := p.inbox.To(r.URL.Query().Get("to"), after)
		if len(letters) > 0 || !r.URL.Query().Has("wait") {
			web.WriteJSON(w, http.StatusOK, map[string]any{"letters": letters})
			return nil
		}
		select {
		case <-more:
		case <-timer.C:
			web.WriteJSON(w, http.StatusOK, map[string]any{"letters": letters})
			return nil
		case <-r.Context().Done():
			return nil
		}
	}
}

func (p *pages) apiClock(w http.ResponseWriter, _ *http.Request) error {
	web.WriteJSON(w, http.StatusOK, map[string]any{"now": p.clock.Now(), "ahead_seconds": int64(p.ahead() / time.Second)})
	return nil
}

func (p *pages) apiMove(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Hours int `json:"hours"`
	}
	if err := decode(r, &in); err != nil {
		return err
	}
	if in.Hours < 1 || in.Hours > 24*366 {
		return fault.New(fault.Invalid, "dev.clock", nil)
	}
	if err := p.forward(time.Duration(in.Hours) * time.Hour); err != nil {
		return err
	}
	return p.apiClock(w, r)
}

// apiPeople opens an account for a new person at a bank.
func (p *pages) apiPeople(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Bank      id.Bank `json:"bank"`
		Branch    string  `json:"branch"`
		WithPhone bool    `json:"with_phone"`
	}
	if err := decode(r, &in); err != nil {
		return err
	}
	person, err := p.newPerson(r.Context(), in.Bank, in.Branch, in.WithPhone)
	if err != nil {
		return err
	}
	web.WriteJSON(w, http.StatusCreated, person)
	return nil
}

// apiAudit answers the audit, and of each charge that ?debit= names what it has seen of it: an audit of other books
// would agree as well.
func (p *pages) apiAudit(w http.ResponseWriter, r *http.Request) error {
	report, err := p.o.Audit(r.Context(), p.l.root)
	if err != nil {
		return err
	}
	debits := map[string]audit.Debit{}
	for _, asked := range r.URL.Query()["debit"] {
		if d, seen := report.Debits[asked]; seen {
			debits[asked] = d
		}
	}
	web.WriteJSON(w, http.StatusOK, map[string]any{"agrees": report.Agrees, "text": report.Text, "report": report.Data, "debits": debits})
	return nil
}

func (p *pages) apiInsert(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Card string `json:"card"`
		PIN  string `json:"pin"`
	}
	if err := decode(r, &in); err != nil {
		return err
	}
	person, ok := p.owner(in.Card)
	if !ok {
		return fault.New(fault.NotFound, "dev.atm", nil)
	}
	session, err := p.insert(r.Context(), person, in.PIN)
	if err != nil {
		return err
	}
	web.WriteJSON(w, http.StatusCreated, map[string]string{"session": string(person.Bank) + "." + session})
	return nil
}

// apiMachine finds the machine of a session, whose name begins with its bank.
func (p *pages) apiMachine(r *http.Request) (*atm, string, error) {
	code, session, ok := strings.Cut(r.PathValue("session"), ".")
	if !ok {
		return nil, "", fault.New(fault.NotFound, "dev.atm", nil)
	}
	m, err := p.machine(id.Bank(code))
	return m, session, err
}

func (p *pages) apiScreen(w http.ResponseWriter, r *http.Request) error {
	m, session, err := p.apiMachine(r)
	if err != nil {
		return err
	}
	screen, err := m.screen(r.Context(), session)
	if err != nil {
		return err
	}
	web.WriteJSON(w, http.StatusOK, screen)
	return nil
}

// apiFind shows the one request that has a reference.
func (p *pages) apiFind(w http.ResponseWriter, r *http.Request) error {
	m, session, err := p.apiMachine(r)
	if err != nil {
		return err
	}
	found, err := m.find(r.Context(), session, r.PathValue("reference"))
	if err != nil {
		return err
	}
	web.WriteJSON(w, http.StatusOK, found)
	return nil
}

// apiAct posts "windows" {proof}, "acknowledgements" {link} or "cash" {amount, ref}.
func (p *pages) apiAct(w http.ResponseWriter, r *http.Request) error {
	m, session, err := p.apiMachine(r)
	if err != nil {
		return err
	}
	what := r.PathValue("what")
	if what != "windows" && what != "acknowledgements" && what != "cash" {
		return fault.New(fault.NotFound, "dev.atm", nil)
	}
	var in map[string]any
	if err := decode(r, &in); err != nil {
		return err
	}
	if err := m.post(r.Context(), session, what, in); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
