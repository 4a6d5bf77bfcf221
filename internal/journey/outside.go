package journey

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/money"
	"github.com/kozamori/kozamori/internal/wire"
)

// world is what lies around the roles on this machine: the start page's interface and the addresses it names.
type world struct {
	transport http.RoundTripper
	base      string
	saw       func(kind, secret string)
	orders    []order // that people of this world have signed

	Wallets map[id.Service]string `json:"wallets"`
	Banks   map[id.Bank]string    `json:"banks"`
	Shops   map[string]string     `json:"shops"` // API keys
	Staff   map[string]staff      `json:"staff"`
	ReadyMs int64                 `json:"ready_ms"` // 0 while dev is starting
}

type staff struct {
	Name     string `json:"name"`
	Password string `json:"password"`
}

// depositor is a person with an account at a bank, and all that she knows or holds.
type depositor struct {
	Key       string    `json:"key"`
	Kana      string    `json:"kana"`
	BirthDate string    `json:"birth_date"`
	Bank      id.Bank   `json:"bank"`
	Branch    string    `json:"branch"`
	Number    string    `json:"number"`
	Card      string    `json:"card"`
	PIN       string    `json:"pin"`
	Phone     string    `json:"phone"`
	Email     string    `json:"email"`
	Opening   money.Yen `json:"opening"`
}

// letter is an SMS or e-mail that arrived.
type letter struct {
	N    int    `json:"n"`
	To   string `json:"to"`
	From string `json:"from"`
	Text string `json:"text"`
}

// How long somebody waits for a dev that is still starting, and how often she looks.
const (
	startTime = 30 * time.Second
	startLook = 200 * time.Millisecond
)

// find asks the start page for everything else, as soon as all is ready.
func find(ctx context.Context, base string) (*world, error) {
	if !strings.HasPrefix(base, "http://") && !strings.HasPrefix(base, "https://") {
		return nil, fmt.Errorf("journey: %q is no URL: http:// is missing", base)
	}
	w := &world{transport: wire.LocalhostTransport(), base: strings.TrimSuffix(base, "/"), saw: func(string, string) {}}
	for until := time.Now().Add(startTime); ; {
		if err := w.api(ctx, http.MethodGet, w.base+"/api/info", nil, nil, w); err != nil {
			return nil, fmt.Errorf("is `kozamori dev` running there? %w", err)
		}
		if w.ReadyMs > 0 {
			return w, nil
		}
		if time.Now().After(until) {
			return nil, fmt.Errorf("journey: dev at %s is still not ready after %s", base, startTime)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(startLook):
		}
	}
}

// refusal is an API's answer of 400 and above, as it came: problem+json says what and why.
type refusal struct {
	status int
	where  string
	body   string
}

// Error says what was asked and how it was refused.
func (r *refusal) Error() string {
	return fmt.Sprintf("%s answered %d: %s", r.where, r.status, quoted(r.body))
}

// mostQuoted bounds what is told of an answer, in letters: a problem fits, a page of a stranger's server does not.
const mostQuoted = 300

// quoted is an answer in one short line.
func quoted(body string) string {
	line := []rune(strings.Join(strings.Fields(body), " "))
	if len(line) > mostQuoted {
		line = append(line[:mostQuoted], '…')
	}
	return string(line)
}

// api makes one call of a JSON interface. An answer of 400 and above is a *refusal.
func (w *world) api(ctx context.Context, method, address string, header http.Header, in, out any) error {
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(ctx, method, address, body)
	if err != nil {
		return err
	}
	for name, values := range header {
		r.Header[name] = values
	}
	w.saw("authorization", credentials(header))
	r.Header.Set("Accept", "application/json")
	if in != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	client := &http.Client{Transport: w.transport, Timeout: time.Minute}
	resp, err := client.Do(r)
	if err != nil {
		return err
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, mostBytes))
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		return err
	}
	if resp.StatusCode >= 400 {
		if out != nil {
			_ = json.Unmarshal(text, out) // some refusals are an answer too; the text is told in any case
		}
		return &refusal{resp.StatusCode, method + " " + address, string(text)}
	}
	if out == nil || len(text) == 0 {
		return nil
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("%s %s: %w", method, address, err)
	}
	return nil
}

// credentials are what follows the scheme in an Authorization header.
func credentials(h http.Header) string {
	_, text, _ := strings.Cut(h.Get("Authorization"), " ")
	return text
}

// newDepositor opens an account for somebody new.
func (w *world) newDepositor(ctx context.Context, bank id.Bank, withPhone bool) (depositor, error) {
	var d depositor
	in := map[string]any{"bank": bank, "branch": "", "with_phone": withPhone}
	err := w.api(ctx, http.MethodPost, w.base+"/api/people", nil, in, &d)
	w.saw("pin", d.PIN)
	return d, err
}

// forward moves everybody's clock.
func (w *world) forward(ctx context.Context, hours int) error {
	return w.api(ctx, http.MethodPost, w.base+"/api/clock", nil, map[string]int{"hours": hours}, nil)
}

// ahead is how far everybody's clock was moved.
func (w *world) ahead(ctx context.Context) (time.Duration, error) {
	var out struct {
		Ahead int64 `json:"ahead_seconds"`
	}
	err := w.api(ctx, http.MethodGet, w.base+"/api/clock", nil, nil, &out)
	return time.Duration(out.Ahead) * time.Second, err
}

// letters lists what came to an address after letter n; wait stays for the first.
func (w *world) letters(ctx context.Context, to string, after int, wait bool) ([]letter, error) {
	q := url.Values{"to": {to}, "after": {fmt.Sprint(after)}}
	if wait {
		q.Set("wait", "1")
	}
	var out struct{ Letters []letter }
	err := w.api(ctx, http.MethodGet, w.base+"/api/inbox?"+q.Encode(), nil, nil, &out)
	return out.Letters, err
}

// post is a letter box with what was read already.
type post struct {
	w    *world
	to   string
	seen int
}

// skip reads all that is there, so that only what comes later counts.
func (b *post) skip(ctx context.Context) error {
	letters, err := b.w.letters(ctx, b.to, b.seen, false)
	for _, l := range letters {
		b.seen = max(b.seen, l.N)
	}
	return err
}

// letterTime is how long a person waits for a letter.
const letterTime = 25 * time.Second

// next waits for the first letter that fits, and answers the first group of the expression.
func (b *post) next(ctx context.Context, what string, fits *regexp.Regexp) (string, error) {
	for until := time.Now().Add(letterTime); time.Now().Before(until); {
		letters, err := b.w.letters(ctx, b.to, b.seen, true)
		if err != nil {
			return "", err
		}
		for _, l := range letters {
			b.seen = max(b.seen, l.N)
			if found := fits.FindStringSubmatch(l.Text); found != nil {
				return found[1], nil
			}
		}
	}
	return "", fmt.Errorf("expected %s at %s; nothing came in %s", what, b.to, letterTime)
}

// audit lets the books of all roles be compared, and fails unless they agree and hold every order of this world: an
// audit of other books would agree as well.
func (w *world) audit(ctx context.Context) error {
	q := url.Values{}
	for _, o := range w.orders {
		q.Add("debit", o.debit)
	}
	var out struct {
		Agrees bool
		Text   string
		Debits map[string]order
	}
	if err := w.api(ctx, http.MethodGet, w.base+"/api/audit?"+q.Encode(), nil, nil, &out); err != nil {
		return err
	}
	if !out.Agrees {
		return fmt.Errorf("expected books that agree; the audit says:\n%s", out.Text)
	}
	for _, o := range w.orders {
		seen, ok := out.Debits[o.debit]
		seen.debit = o.debit
		switch {
		case !ok:
			return fmt.Errorf("expected the audit to have seen all %d charges of this journey; %s of %s yen stands in none of the books it looked at",
				len(w.orders), o.debit, o.Amount.Digits())
		case !o.fits(seen):
			return fmt.Errorf("expected %+v in the audit; it saw %+v", o, seen)
		}
	}
	return nil
}

// machine is an ATM with a card in it.
type machine struct {
	w    *world
	base string
}

// screen is what the machine shows.
type screen struct {
	Balance money.Yen
	Waiting []struct{ Link, Holder string }
}

// insert puts a card into an ATM and types its PIN.
func (w *world) insert(ctx context.Context, d depositor) (*machine, error) {
	var out struct{ Session string }
	if err := w.api(ctx, http.MethodPost, w.base+"/api/atm/sessions", nil, map[string]string{"card": d.Card, "pin": d.PIN}, &out); err != nil {
		return nil, err
	}
	return &machine{w, w.base + "/api/atm/" + url.PathEscape(out.Session)}, nil
}

func (m *machine) screen(ctx context.Context) (screen, error) {
	var s screen
	err := m.w.api(ctx, http.MethodGet, m.base, nil, nil, &s)
	return s, err
}

// open opens the window of the proof whose reference the person's own screen shows.
func (m *machine) open(ctx context.Context, reference string) error {
	var found struct{ Proof, Reference string }
	if err := m.w.api(ctx, http.MethodGet, m.base+"/requests/"+url.PathEscape(reference), nil, nil, &found); err != nil {
		return err
	}
	if found.Reference != reference {
		return fmt.Errorf("expected %q to wait at the ATM; it shows %q", reference, found.Reference)
	}
	return m.w.api(ctx, http.MethodPost, m.base+"/windows", nil, map[string]string{"proof": found.Proof}, nil)
}

// acknowledge says of the one link that waits that its depositor knows of it.
func (m *machine) acknowledge(ctx context.Context) error {
	s, err := m.screen(ctx)
	if err != nil {
		return err
	}
	if len(s.Waiting) != 1 {
		return fmt.Errorf("expected one link that waits at the ATM for its owner's word; it shows %d", len(s.Waiting))
	}
	return m.w.api(ctx, http.MethodPost, m.base+"/acknowledgements", nil, map[string]string{"link": s.Waiting[0].Link}, nil)
}
