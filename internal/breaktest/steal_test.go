package breaktest

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/journey"
	"github.com/kozamori/kozamori/internal/keyfile"
	"github.com/kozamori/kozamori/internal/money"
	"github.com/kozamori/kozamori/internal/wire"
)

// heard is all that passed through the hub: by path, the signed messages on their way to banks.
type heard struct {
	mu   sync.Mutex
	said map[string][]map[string]string
	par  []url.Values
	bank []string // bank of each pushed request
}

// tap listens to what the hub sends to banks.
func (s *stage) tap() *heard {
	h := &heard{said: map[string][]map[string]string{}}
	s.line.hear(func(c *call, _ []byte) {
		if c.from != "hub" || c.method != http.MethodPost {
			return
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		var body map[string]string
		if c.url.Path == "/par" {
			if form, err := url.ParseQuery(string(c.body)); err == nil {
				h.par = append(h.par, form)
			}
		} else if json.Unmarshal(c.body, &body) == nil {
			h.said[c.url.Path] = append(h.said[c.url.Path], body)
		}
	})
	return h
}

// last is the newest message that went to a path.
func (h *heard) last(t *testing.T, path, field string) string {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	all := h.said[path]
	if len(all) == 0 {
		t.Fatalf("nothing went to %s", path)
	}
	return all[len(all)-1][field]
}

// hubHeist is one test's thief with what it needs: two holders' links, messages heard, messages of its own.
type hubHeist struct {
	t     *testing.T
	thief *hubThief
	heard *heard
	mine  []id.Link // of the first holder, then of the second
	order wire.DebitOrder
}

// TestHubWithAllItsKeysMovesNothing: whoever holds the hub's keys, its database and every link's token, and has
// heard every message, moves 0 yen and makes no link.
func TestHubWithAllItsKeysMovesNothing(t *testing.T) {
	s := onStage(t)
	listening := s.tap()
	people := s.actives(t, shizuoka, 2)
	for _, a := range people {
		s.ends(t, charge(t, a, 2100), "done/booked")
	}
	reversed := charge(t, people[0], 2200)
	s.ends(t, reversed, "done/booked")
	must(t, s.GiveBack(t.Context(), maru, reversed))
	s.ends(t, reversed, "reversed/reversed")
	h := &hubHeist{t: t, thief: s.stealHub(t), heard: listening}
	debits := bankBooks(t, s.dir, shizuoka, maru).entries
	for _, said := range listening.said["/v1/debits"] {
		o := payload[wire.DebitOrder](t, said["order"])
		if debits[o.Debit].amount == 2100 {
			h.mine = append(h.mine, o.Link)
			h.order = o
		}
	}
	if len(h.mine) < 2 || h.mine[0] == h.mine[1] {
		t.Fatalf("heard of links %v", h.mine)
	}

	before, links := s.world(t), s.linkStates(t)
	for name, try := range h.tries() {
		answer, err := try(t.Context())
		if err == nil && !harmless(t, answer) {
			t.Errorf("%s: the bank answered %v", name, answer)
		}
		if after := s.world(t); after != before {
			t.Fatalf("%s: %+v became %+v", name, before, after)
		}
		if after := s.linkStates(t); !maps.Equal(after, links) {
			t.Fatalf("%s: a link changed: %v", name, after)
		}
	}
	// Nothing was buried either: the holders go on.
	for _, a := range people {
		s.ends(t, charge(t, a, 2300), "done/booked")
	}
	s.audited(t)
}

// harmless says that an answer repeats what the bank had signed before, of which the hub has a copy anyway. What
// it did is judged by the books; this sees to it that a try did not pass for something new.
func harmless(t *testing.T, answer map[string]string) bool {
	t.Helper()
	for _, message := range answer {
		if at := payload[wire.Header](t, message); at.Audience != string(maru) {
			return false
		}
	}
	return true
}

type try func(ctx context.Context) (map[string]string, error)

// tries is everything a hub could do. Those that the bank must refuse outright fail where it does not.
func (h *hubHeist) tries() map[string]try {
	s := h.thief.s
	all := map[string]try{}
	// Each kind of message, forged in the service's name: signed with the hub's key, under its own kid and the service's.
	for name, m := range h.forgeries() {
		for key, sign := range map[string]wire.Key{"hub's key": h.thief.client, "hub's key under the service's kid": h.underServiceKid()} {
			all["forged "+name+", "+key] = func(ctx context.Context) (map[string]string, error) {
				text, err := wire.Sign(sign, m.message)
				if err != nil {
					return nil, err
				}
				return h.refused(h.thief.post(ctx, shizuoka, m.path, m.link, m.field, text))
			}
		}
	}
	// Each kind of message that was heard, changed in any of its figures.
	for path, field := range map[string]string{"/v1/debits": "order", "/v1/reversals": "reversal", "/v1/activations": "activation"} {
		said := h.heard.last(h.t, path, field)
		for what, changed := range tampered(h.t, said) {
			all["heard "+field+" with another "+what] = func(ctx context.Context) (map[string]string, error) {
				return h.refused(h.thief.post(ctx, shizuoka, path, h.linkFor(path), field, changed))
			}
		}
		all["heard "+field+", again"] = func(ctx context.Context) (map[string]string, error) {
			return h.thief.post(ctx, shizuoka, path, h.linkFor(path), field, said)
		}
		all["heard "+field+" at another bank"] = func(ctx context.Context) (map[string]string, error) {
			return h.refused(h.thief.post(ctx, suruga, path, h.linkFor(path), field, said))
		}
	}
	for i, link := range h.mine {
		other := h.mine[(i+1)%len(h.mine)]
		for _, said := range h.heard.said["/v1/debits"] {
			if o := payload[wire.DebitOrder](h.t, said["order"]); o.Link == link && link != other {
				all["an order of "+string(link)+" over "+string(other)] = func(ctx context.Context) (map[string]string, error) {
					return h.refused(h.thief.post(ctx, shizuoka, "/v1/debits", other, "order", said["order"]))
				}
			}
		}
		for _, said := range h.heard.said["/v1/activations"] {
			all["an activation heard of, over "+string(link)+said["activation"][len(said["activation"])-4:]] = func(ctx context.Context) (map[string]string, error) {
				return h.thief.post(ctx, shizuoka, "/v1/activations", link, "activation", said["activation"])
			}
		}
	}
	for name, push := range h.pushes() {
		all[name] = func(ctx context.Context) (map[string]string, error) {
			out, err := h.thief.banks[shizuoka].PushAuthorization(ctx, push)
			if err == nil {
				h.t.Errorf("%s: the bank took it: %s", name, out.AuthorizationURL)
			}
			return nil, err
		}
	}
	all["a code of its own"] = func(ctx context.Context) (map[string]string, error) {
		_, err := h.thief.banks[shizuoka].ExchangeCode(ctx, wire.NewSecret(), wire.NewSecret(), s.info.Wallets[maru]+"/link/return", wire.GenerateKey())
		return h.refused(nil, err)
	}
	return all
}

// refused fails the test where a call that must be refused was answered.
func (h *hubHeist) refused(answer map[string]string, err error) (map[string]string, error) {
	h.t.Helper()
	switch {
	case err == nil:
		h.t.Errorf("the bank took it: %v", answer)
	case errors.Is(err, wire.ErrCredentials): // another bank's token
	case fault.Of(err) == fault.Unavailable || fault.Of(err) == fault.Internal:
		h.t.Errorf("not refused, but broken: %v", err)
	}
	return nil, errors.Join(err, errors.New("refused"))
}

func (h *hubHeist) linkFor(path string) id.Link {
	switch path {
	case "/v1/debits":
		return payload[wire.DebitOrder](h.t, h.heard.last(h.t, path, "order")).Link
	case "/v1/activations":
		return h.mine[1]
	}
	return ""
}

// underServiceKid is the hub's key with the name of the service's.
func (h *hubHeist) underServiceKid() wire.Key {
	set, err := keyfile.Open(h.thief.s.dir+"/keys/maru").Public("sign", "")
	must(h.t, err)
	var text struct{ Keys []struct{ Kid string } }
	public, err := json.Marshal(set)
	must(h.t, err)
	must(h.t, json.Unmarshal(public, &text))
	var jwk map[string]any
	must(h.t, json.Unmarshal(h.thief.client.PrivateJWK(), &jwk))
	jwk["kid"] = text.Keys[0].Kid
	private, err := json.Marshal(jwk)
	must(h.t, err)
	key, err := wire.ParseKey(private)
	must(h.t, err)
	return key
}

// forgery is a message that only a service may sign, and where it would go.
type forgery struct {
	path, field string
	link        id.Link
	message     wire.Message
}

// forgeries is one of each, for a link that is alive, with the holder's own newest device proof.
func (h *hubHeist) forgeries() map[string]forgery {
	s, link := h.thief.s, h.mine[0]
	head := s.header(maru, shizuoka)
	order := h.order
	order.Header, order.Link, order.Debit, order.Amount = head, link, "deb_thief0000000000000000001", 3000
	order.AgreedUs = s.clock.Now().UnixMicro()
	hash := wire.Hash("an order")
	return map[string]forgery{
		"order":      {"/v1/debits", "order", link, &order},
		"resolution": {"/v1/debits/deb_thief0000000000000000001/resolution", "resolve", "", &wire.Resolve{Header: head, Link: link, Debit: "deb_thief0000000000000000001", OrderHash: hash, Amount: 3000, WalletAccount: order.WalletAccount}},
		"reversal":   {"/v1/reversals", "reversal", "", &wire.Reversal{Header: head, Reversal: "rev_thief0000000000000000001", Link: h.order.Link, Debit: h.order.Debit, OrderHash: hash, Amount: h.order.Amount}},
		"change":     {"/v1/link-changes", "change", "", &wire.LinkChange{Header: head, Change: "chg_thief0000000000000000001", Link: link, Kind: "ended"}},
		"activation": {"/v1/activations", "activation", link, &wire.Activation{Header: head, Request: h.thief.links[link].Request, Browser: "x.x.x.x.x"}},
		"abort":      {"/v1/aborts", "abort", "", &wire.Abort{Header: head, Request: h.thief.links[link].Request, Reason: "cancelled"}},
		"statement":  {"/v1/statements", "statement", "", &wire.Statement{Header: head, Day: "2026-11-23", Total: &wire.StatementTotal{}}},
	}
}

// pushes are link requests that no service asked for: all made up, or heard before and used again.
func (h *hubHeist) pushes() map[string]wire.Push {
	s := h.thief.s
	h.heard.mu.Lock()
	defer h.heard.mu.Unlock()
	old := h.heard.par[len(h.heard.par)-1]
	push := func(change func(*wire.Push)) wire.Push {
		p := wire.Push{RedirectURI: old.Get("redirect_uri"), State: wire.NewSecret(), Verifier: wire.NewSecret(), Proof: wire.GenerateKey(),
			Details: old.Get("authorization_details"), LinkRequest: old.Get("link_request"), Identity: old.Get("identity")}
		change(&p)
		return p
	}
	was := payload[wire.LinkRequest](h.t, old.Get("link_request"))
	forge := func(change func(*wire.LinkRequest)) string {
		m := was
		m.Header, m.Request = s.header(maru, shizuoka), "req_thief0000000000000000001"
		change(&m)
		text, err := wire.Sign(h.thief.client, &m)
		must(h.t, err)
		return text
	}
	return map[string]wire.Push{
		"a request heard of, again": push(func(*wire.Push) {}),
		"a request of its own":      push(func(p *wire.Push) { p.LinkRequest = forge(func(*wire.LinkRequest) {}) }),
		"a request heard of with other limits": push(func(p *wire.Push) {
			p.Details = strings.ReplaceAll(p.Details, `"per_debit":50000`, `"per_debit":90000`)
		}),
		"a request that leads to the hub": push(func(p *wire.Push) {
			p.RedirectURI = s.info.Hub + "/return"
			p.LinkRequest = forge(func(m *wire.LinkRequest) { m.RedirectURI = p.RedirectURI })
		}),
	}
}

// tampered are a signed message's variants: each of its figures changed, the signature kept.
func tampered(t *testing.T, compact string) map[string]string {
	t.Helper()
	parts := strings.Split(compact, ".")
	fields := payload[map[string]json.RawMessage](t, compact)
	out := map[string]string{}
	for name, value := range fields {
		changed := maps.Clone(fields)
		switch {
		case value[0] == '"':
			changed[name] = json.RawMessage(`"x` + string(value[1:]))
		case value[0] == '{':
			changed[name] = json.RawMessage(`{}`)
		default:
			changed[name] = json.RawMessage("1" + string(value))
		}
		text, err := json.Marshal(changed)
		must(t, err)
		out[name] = parts[0] + "." + b64(text) + "." + parts[2]
	}
	return out
}

// TestServiceKeyAloneMovesNothing: whoever holds all keys of a service but no holder's device is refused by the
// bank, and so is what a device signed for something else, long ago, or before a stop (M9, D2).
func TestServiceKeyAloneMovesNothing(t *testing.T) {
	s := onStage(t)
	a, b := s.active(t, shizuoka), s.active(t, shizuoka)
	slip, err := a.Show(t.Context(), maru, 2400)
	must(t, err)
	proof, err := a.Signature(slip) // the holder signed; the thief has it instead of the service
	must(t, err)
	shown := s.asked(t, slip)
	other, err := b.Show(t.Context(), maru, 2400)
	must(t, err)
	thief := s.stealService(t, maru)
	old := s.clock.Now().Add(-61 * time.Second).UnixMicro()
	stale := func(amount money.Yen, agreed int64, d id.Debit, who *journey.Actor) wire.DeviceProof {
		p, err := who.Proof(maru, wire.DebitChallenge(id.Issuer(s.info.Banks[shizuoka]), shown.Link, d, amount, agreed))
		must(t, err)
		return p
	}
	before := s.world(t)
	for name, try := range map[string]struct {
		change func(*wire.DebitOrder)
		rule   string
		reason string
	}{
		"no signature of the device":      {func(o *wire.DebitOrder) { o.Device = empty(o.Device) }, "M9", "device"},
		"signed for another amount":       {func(o *wire.DebitOrder) { o.Amount = 24000 }, "M9", "device"},
		"signed for another charge":       {func(o *wire.DebitOrder) { o.Debit = "deb_thief0000000000000000002" }, "M9", "device"},
		"signed at another moment":        {func(o *wire.DebitOrder) { o.AgreedUs++ }, "M9", "device"},
		"signed by another's device":      {func(o *wire.DebitOrder) { o.Device = stale(o.Amount, o.AgreedUs, o.Debit, b) }, "M9", "device"},
		"signed 61 seconds ago":           {func(o *wire.DebitOrder) { o.AgreedUs, o.Device = old, stale(o.Amount, old, o.Debit, a) }, "M9", "stale"},
		"an order signed 61 seconds ago":  {func(o *wire.DebitOrder) { o.IssuedAt -= 71; o.Expires -= 71 }, "M9", "stale"},
		"for another holder's wallet":     {func(o *wire.DebitOrder) { o.Subject = s.asked(t, other).Subject }, "M9", "order"},
		"over another's link, own device": {func(o *wire.DebitOrder) { o.Link = s.asked(t, other).Link; o.Subject = s.asked(t, other).Subject }, "M9", "device"},
	} {
		t.Run(name, func(t *testing.T) {
			o := shown
			o.Debit = id.Debit(id.Random("deb"))
			o.Device = proof
			if strings.HasPrefix(name, "signed for another amount") || strings.HasPrefix(name, "no ") {
				o.Device, err = a.Proof(maru, wire.DebitChallenge(id.Issuer(o.Audience), o.Link, o.Debit, o.Amount, o.AgreedUs))
				must(t, err)
			}
			try.change(&o)
			r := thief.debit(t, &o)
			if r.Outcome != wire.Refused || r.Rule != try.rule || r.Reason != try.reason {
				t.Errorf("the bank says %s, %s %s; want refused, %s %s", r.Outcome, r.Rule, r.Reason, try.rule, try.reason)
			}
			if after := s.world(t); after != before {
				t.Errorf("%+v became %+v", before, after)
			}
		})
	}
	// The same order with everything right is booked: it was those faults and nothing else that were refused.
	must(t, a.Sign(t.Context(), slip))
	s.settle(t, maru)
	if got := state(t, s.dir, shizuoka, maru, slip.Debit); got != "done/booked" {
		t.Errorf("the honest charge is %s", got)
	}
	s.audited(t)
}

// empty is a proof in form only.
func empty(p wire.DeviceProof) wire.DeviceProof {
	p.Signature = b64(make([]byte, 70))
	return p
}

// asked is the order that a slip would become, but for its signatures.
func (s *stage) asked(t *testing.T, slip *journey.Slip) wire.DebitOrder {
	t.Helper()
	o := wire.DebitOrder{Header: s.header(maru, shizuoka), Debit: slip.Debit, Amount: slip.Amount}
	must(t, database(t, s.dir, string(maru), "money.db").QueryRowContext(t.Context(),
		`SELECT link, subject, account, agreed_us FROM charges WHERE debit = ?`, slip.Debit).Scan(&o.Link, &o.Subject, &o.WalletAccount, &o.AgreedUs))
	return o
}
