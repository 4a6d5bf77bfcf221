package dev

import (
	"context"
	"net/http"
	"net/url"
	"sync"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/keyfile"
	"github.com/kozamori/kozamori/internal/money"
	"github.com/kozamori/kozamori/internal/wire"
)

// atm is a machine that speaks to one bank, as an operator's would.
type atm struct {
	base   string
	client *wire.Client
}

// machines make an ATM for a bank at its first use.
type machines struct {
	mu   sync.Mutex
	made map[id.Bank]*atm
}

// machine is the ATM of a bank.
func (w *world) machine(code id.Bank) (*atm, error) {
	w.machines.mu.Lock()
	defer w.machines.mu.Unlock()
	if m, ok := w.machines.made[code]; ok {
		return m, nil
	}
	keys := keyfile.Open(w.l.keys("atm"))
	client, err := keys.Signing("client")
	if err != nil {
		return nil, err
	}
	proof, err := keys.Signing("dpop")
	if err != nil {
		return nil, err
	}
	base := w.ports.url(tenant{Code: code}.host(), portBanks)
	m := &atm{base: base, client: wire.NewClient(wire.ClientConfig{ID: "atm", Key: client[0], Proof: proof[0], Issuer: base,
		Transport: w.transport(), Now: w.clock.Now})}
	if w.machines.made == nil {
		w.machines.made = map[id.Bank]*atm{}
	}
	w.machines.made[code] = m
	return m, nil
}

// atmWords are a name in both languages, as the bank sends it.
type atmWords struct {
	JA string `json:"ja"`
	EN string `json:"en"`
}

// Text is the words as our pages show them.
func (w atmWords) Text() fault.Text { return fault.Text(w) }

// atmPending is a proof that waits for the card.
type atmPending struct {
	Proof     string   `json:"proof"`
	Reference string   `json:"reference"`
	Purpose   string   `json:"purpose"`
	Asks      atmWords `json:"asks"`
	Holder    string   `json:"holder"`
	Near      bool     `json:"near"`
	Open      bool     `json:"open"`
}

// What is what the proof is for, in words.
func (p atmPending) What() fault.Text { return atmPurposes[p.Purpose] }

var atmPurposes = map[string]fault.Text{
	"link":    {JA: "口座連携の申し込み", EN: "Request for a link"},
	"portal":  {JA: "お客さまページへのサインイン", EN: "Signing in to the bank's own pages"},
	"enrol":   {JA: "パスキーの登録", EN: "Registering a passkey"},
	"confirm": {JA: "口座連携の確認（少額の制限の解除）", EN: "Confirming a link (lifts its small cap)"},
	"undo":    {JA: "停止の解除", EN: "Undoing a stop"},
}

// atmWaiting is a link whose depositor has not yet said that she knows of it.
type atmWaiting struct {
	Link   string   `json:"link"`
	Asks   atmWords `json:"asks"`
	Holder string   `json:"holder"`
}

// atmScreen is what the machine shows.
type atmScreen struct {
	Balance money.Yen    `json:"balance"`
	Stopped bool         `json:"stopped"`
	Waiting []atmWaiting `json:"waiting"`
}

// insert begins a session with a card and its PIN.
func (m *atm) insert(ctx context.Context, card, pin string) (session string, err error) {
	var out struct {
		Session string `json:"session"`
	}
	err = m.client.Do(ctx, wire.Call{Method: http.MethodPost, URL: m.base + "/v1/atm/sessions", In: map[string]string{"card": card, "pin": pin}, Out: &out})
	return out.Session, err
}

func (m *atm) screen(ctx context.Context, session string) (atmScreen, error) {
	var out atmScreen
	err := m.client.Do(ctx, wire.Call{Method: http.MethodGet, URL: m.base + "/v1/atm/session", Header: http.Header{"Atm-Session": {session}}, Out: &out})
	return out, err
}

// find shows the one request that has the reference a person typed.
func (m *atm) find(ctx context.Context, session, reference string) (atmPending, error) {
	var out atmPending
	err := m.client.Do(ctx, wire.Call{Method: http.MethodGet, URL: m.base + "/v1/atm/requests/" + url.PathEscape(reference),
		Header: http.Header{"Atm-Session": {session}}, Out: &out})
	return out, err
}

// post does one act of the card's owner: "windows" with a proof, "acknowledgements" with a link, "stops".
func (m *atm) post(ctx context.Context, session, what string, in any) error {
	return m.client.Do(ctx, wire.Call{Method: http.MethodPost, URL: m.base + "/v1/atm/" + what, Header: http.Header{"Atm-Session": {session}}, In: in})
}
