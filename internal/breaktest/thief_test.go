package breaktest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/hub"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/keyfile"
	"github.com/kozamori/kozamori/internal/outbox"
	hubstore "github.com/kozamori/kozamori/internal/store/hub"
	"github.com/kozamori/kozamori/internal/store/sqldb"
	"github.com/kozamori/kozamori/internal/wire"
)

// hubThief holds all that the hub has: its keys, its database, and with its sealing key every link's token. It
// calls banks as the hub.
type hubThief struct {
	s      *stage
	client wire.Key
	links  map[id.Link]stolenLink
	banks  map[id.Bank]*wire.Client
}

// stolenLink is a link's row with what its seal hid.
type stolenLink struct {
	hub.Link
	token wire.LinkToken
}

// stealHub takes everything.
func (s *stage) stealHub(t *testing.T) *hubThief {
	t.Helper()
	keys := keyfile.Open(s.dir + "/keys/hub")
	client, err := keys.Signing("client")
	must(t, err)
	proof, err := keys.Signing("dpop")
	must(t, err)
	secrets, err := keys.Secrets("rows")
	must(t, err)
	sealer, err := outbox.NewSealer(secrets...)
	must(t, err)
	db, err := sqldb.OpenAsIs(s.dir+"/data/hub/hub.db", hubstore.Source)
	must(t, err)
	t.Cleanup(func() { must(t, db.Close()) })
	all, err := hubstore.New(db).Links(t.Context(), 10_000)
	must(t, err)
	h := &hubThief{s: s, client: client[0], links: map[id.Link]stolenLink{}, banks: map[id.Bank]*wire.Client{}}
	for _, l := range all {
		plain, err := sealer.Open(l.Sealed, "link/"+string(l.ID))
		must(t, err)
		var in struct {
			Key   []byte
			Token string
		}
		must(t, json.Unmarshal(plain, &in))
		key, err := wire.ParseKey(in.Key)
		must(t, err)
		h.links[l.ID] = stolenLink{Link: l, token: wire.LinkToken{Token: in.Token, Proof: key}}
	}
	for code, issuer := range s.info.Banks {
		h.banks[code] = wire.NewClient(wire.ClientConfig{ID: s.info.Hub, Key: client[0], Proof: proof[0], Issuer: issuer,
			Transport: wire.LocalhostTransport(), Now: s.clock.Now})
	}
	return h
}

// post makes a call at a bank with a link's token, or with the hub's own where there is none.
func (h *hubThief) post(ctx context.Context, bank id.Bank, path string, link id.Link, field, message string) (map[string]string, error) {
	call := wire.Call{Method: http.MethodPost, URL: h.s.info.Banks[bank] + path, In: map[string]string{field: message}}
	if link != "" {
		l, ok := h.links[link]
		if !ok {
			return nil, fmt.Errorf("the hub has no token of %s", link)
		}
		call.Link = &l.token
	}
	out := map[string]string{}
	call.Out = &out
	return out, h.banks[bank].Do(ctx, call)
}

// serviceThief holds every key of a service, but no holder's device.
type serviceThief struct {
	sign wire.Key
	hub  *wire.Client
	url  string
}

func (s *stage) stealService(t *testing.T, service id.Service) *serviceThief {
	t.Helper()
	keys := keyfile.Open(s.dir + "/keys/" + string(service))
	loaded := map[string]wire.Key{}
	for _, name := range []string{"sign", "client", "dpop"} {
		all, err := keys.Signing(name)
		must(t, err)
		loaded[name] = all[0]
	}
	return &serviceThief{sign: loaded["sign"], url: s.info.Hub, hub: wire.NewClient(wire.ClientConfig{ID: string(service),
		Key: loaded["client"], Proof: loaded["dpop"], Issuer: s.info.Hub, Transport: wire.LocalhostTransport(), Now: s.clock.Now})}
}

// debit signs an order as the service and sends it through the hub: the bank's receipt.
func (x *serviceThief) debit(t *testing.T, o *wire.DebitOrder) wire.DebitReceipt {
	t.Helper()
	text, err := wire.Sign(x.sign, o)
	must(t, err)
	var out struct {
		Receipt string `json:"receipt"`
	}
	must(t, x.hub.Do(t.Context(), wire.Call{Method: http.MethodPost, URL: x.url + "/v1/debits", Out: &out, In: map[string]string{
		"issuer": o.Audience, "link": string(o.Link), "debit": string(o.Debit), "order": text}}))
	return payload[wire.DebitReceipt](t, out.Receipt)
}

// world is what no thief may change: every deposit, all e-money, every link.
type world struct {
	deposits, emoney int64
	bankLinks        int64
	walletLinks      int64
	debits           int64 // booked or reversed
}

func (s *stage) world(t *testing.T) (w world) {
	t.Helper()
	for _, code := range []id.Bank{shizuoka, suruga} {
		db := database(t, s.dir, "bank", string(code), "money.db")
		w.deposits += number(t, db, `SELECT sum(balance) FROM ledger_accounts WHERE kind = 'deposit'`)
		w.bankLinks += number(t, db, `SELECT count(*) FROM link`)
		w.debits += number(t, db, `SELECT count(*) + (SELECT count(*) FROM reversal WHERE outcome = 'reversed') FROM debit WHERE outcome = 'booked'`)
	}
	for _, service := range []id.Service{maru, sora} {
		db := database(t, s.dir, string(service), "money.db")
		w.emoney += number(t, db, `SELECT sum(balance) FROM ledger_accounts WHERE kind = 'receivable'`)
		w.walletLinks += number(t, db, `SELECT count(*) FROM links`)
	}
	return w
}

// linkStates are all links of the two banks with their state and version.
func (s *stage) linkStates(t *testing.T) map[id.Link]string {
	t.Helper()
	out := map[id.Link]string{}
	for _, code := range []id.Bank{shizuoka, suruga} {
		db := database(t, s.dir, "bank", string(code), "money.db")
		found, err := db.QueryContext(t.Context(), `SELECT id, state || ' ' || version || ' ' || device FROM link`)
		must(t, err)
		for found.Next() {
			var l id.Link
			var is string
			must(t, found.Scan(&l, &is))
			out[l] = is
		}
		must(t, found.Err())
		must(t, found.Close())
	}
	return out
}

// header is that of a message of a service to a bank, made now.
func (s *stage) header(service id.Service, bank id.Bank) wire.Header {
	now := clock.Now(s.clock.Now)().Unix()
	return wire.Header{Issuer: string(service), Audience: s.info.Banks[bank], IssuedAt: now, Expires: now + 60}
}
