package walletd

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/wallet"
	"github.com/kozamori/kozamori/internal/wire"
)

// hubClient is wallet.HubClient over HTTP.
type hubClient struct {
	base string
	c    *wire.Client
}

var _ wallet.HubClient = (*hubClient)(nil)

func newHubClient(base, service string, client, proof wire.Key, transport http.RoundTripper, now clock.Now) *hubClient {
	return &hubClient{base: base, c: wire.NewClient(wire.ClientConfig{
		ID: service, Key: client, Proof: proof, Issuer: base, TokenURL: base + "/token", Transport: transport, Now: now})}
}

func (h *hubClient) post(ctx context.Context, path string, in, out any) error {
	return h.c.Do(ctx, wire.Call{Method: http.MethodPost, URL: h.base + path, In: in, Out: out, Timeout: 20 * time.Second})
}

// Banks implements wallet.HubClient.
func (h *hubClient) Banks(ctx context.Context) ([]wallet.HubBank, error) {
	var got struct {
		Banks []struct {
			Bank   id.Bank   `json:"bank"`
			NameJA string    `json:"name_ja"`
			NameEN string    `json:"name_en"`
			Kana   string    `json:"kana"`
			Issuer id.Issuer `json:"issuer"`
			State  string    `json:"state"`
		} `json:"banks"`
	}
	if err := h.c.Do(ctx, wire.Call{Method: http.MethodGet, URL: h.base + "/v1/banks", Out: &got}); err != nil {
		return nil, err
	}
	banks := make([]wallet.HubBank, 0, len(got.Banks))
	for _, b := range got.Banks {
		banks = append(banks, wallet.HubBank{Bank: b.Bank, Name: fault.Text{JA: b.NameJA, EN: b.NameEN}, Kana: b.Kana,
			Issuer: b.Issuer, State: wallet.BankState(b.State)})
	}
	return banks, nil
}

// RequestLink implements wallet.HubClient.
func (h *hubClient) RequestLink(ctx context.Context, p wallet.LinkPush) (wallet.LinkPushed, error) {
	var got struct {
		URL       string `json:"authorization_url"`
		ExpiresIn int64  `json:"expires_in"`
	}
	err := h.post(ctx, "/v1/link-requests", map[string]any{
		"request": p.Request, "issuer": p.Issuer, "state": p.State, "redirect_uri": p.RedirectURI,
		"authorization_details": p.Details, "link_request": p.LinkRequest, "identity": p.Identity,
	}, &got)
	return wallet.LinkPushed{URL: got.URL, ExpiresIn: time.Duration(got.ExpiresIn) * time.Second}, err
}

type reportAnswer struct {
	Report string `json:"report"`
}

// Redeem implements wallet.HubClient.
func (h *hubClient) Redeem(ctx context.Context, r id.Request, red wallet.Redemption) (string, error) {
	var got reportAnswer
	err := h.post(ctx, "/v1/link-requests/"+url.PathEscape(string(r))+"/redemption",
		map[string]any{"code": red.Code, "iss": red.Issuer, "activation": red.Activation}, &got)
	return got.Report, err
}

// Abort implements wallet.HubClient.
func (h *hubClient) Abort(ctx context.Context, r id.Request, issuer id.Issuer, abort string) (string, error) {
	var got reportAnswer
	err := h.post(ctx, "/v1/link-requests/"+url.PathEscape(string(r))+"/abort", map[string]any{"issuer": issuer, "abort": abort}, &got)
	return got.Report, err
}

// ChangeLink implements wallet.HubClient.
func (h *hubClient) ChangeLink(ctx context.Context, issuer id.Issuer, link id.Link, change string) (string, error) {
	var got reportAnswer
	err := h.post(ctx, "/v1/link-changes", map[string]any{"issuer": issuer, "link": link, "change": change}, &got)
	return got.Report, err
}

type receiptAnswer struct {
	Receipt string `json:"receipt"`
}

// Debit implements wallet.HubClient.
func (h *hubClient) Debit(ctx context.Context, issuer id.Issuer, link id.Link, debit id.Debit, order string) (string, error) {
	var got receiptAnswer
	err := h.post(ctx, "/v1/debits", map[string]any{"issuer": issuer, "link": link, "debit": debit, "order": order}, &got)
	return got.Receipt, err
}

// Resolve implements wallet.HubClient.
func (h *hubClient) Resolve(ctx context.Context, issuer id.Issuer, link id.Link, debit id.Debit, resolve string) (string, error) {
	var got receiptAnswer
	err := h.post(ctx, "/v1/debits/"+url.PathEscape(string(debit))+"/resolution",
		map[string]any{"issuer": issuer, "link": link, "resolve": resolve}, &got)
	return got.Receipt, err
}

// Reverse implements wallet.HubClient.
func (h *hubClient) Reverse(ctx context.Context, issuer id.Issuer, link id.Link, reversalID, reversal string) (string, error) {
	var got receiptAnswer
	err := h.post(ctx, "/v1/reversals",
		map[string]any{"issuer": issuer, "link": link, "reversal_id": reversalID, "reversal": reversal}, &got)
	return got.Receipt, err
}

// Events implements wallet.HubClient.
func (h *hubClient) Events(ctx context.Context, after int64, wait time.Duration) ([]wallet.HubEvent, int64, error) {
	var got struct {
		Events []struct {
			Seq    int64  `json:"seq"`
			Report string `json:"report"`
		} `json:"events"`
		Next int64 `json:"next"`
	}
	q := url.Values{"after": {strconv.FormatInt(after, 10)}, "wait": {strconv.Itoa(int(wait.Seconds()))}}
	err := h.c.Do(ctx, wire.Call{Method: http.MethodGet, URL: h.base + "/v1/events?" + q.Encode(), Out: &got,
		Timeout: wait + 10*time.Second, MaxBody: 8 << 20})
	if err != nil {
		return nil, 0, err
	}
	events := make([]wallet.HubEvent, 0, len(got.Events))
	for _, e := range got.Events {
		events = append(events, wallet.HubEvent{Seq: e.Seq, Report: e.Report})
	}
	return events, got.Next, nil
}

// Statement implements wallet.HubClient.
func (h *hubClient) Statement(ctx context.Context, issuer id.Issuer, statement string) (string, error) {
	var got struct {
		Statement string `json:"statement"`
	}
	err := h.c.Do(ctx, wire.Call{Method: http.MethodPost, URL: h.base + "/v1/statements", Timeout: time.Minute, MaxBody: 64 << 20,
		In: map[string]any{"issuer": issuer, "statement": statement}, Out: &got})
	return got.Statement, err
}
