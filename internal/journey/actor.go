package journey

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/descope/virtualwebauthn"

	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/money"
	"github.com/kozamori/kozamori/internal/wire"
)

// Stage is a running dev for tests of their own plot. Its people act over the public interfaces alone, as those
// of a journey do.
type Stage struct{ w *world }

// OpenStage finds a running dev by its start page.
func OpenStage(ctx context.Context, startURL string) (*Stage, error) {
	w, err := find(ctx, startURL)
	return &Stage{w}, err
}

// Forward moves everybody's clock.
func (s *Stage) Forward(ctx context.Context, hours int) error { return s.w.forward(ctx, hours) }

// GiveBack lets a service's staff reverse a charge.
func (s *Stage) GiveBack(ctx context.Context, service id.Service, debit id.Debit) error {
	return s.Staff(ctx, service, "reversals", map[string]string{"debit": string(debit), "why": "a test"}, nil)
}

// Staff calls a service as its staff does by program: "reversals", "statements", "arrivals".
func (s *Stage) Staff(ctx context.Context, service id.Service, what string, in, out any) error {
	return s.w.api(ctx, http.MethodPost, s.w.Wallets[service]+"/staff/v1/"+what, basic(s.w.Staff[string(service)]), in, out)
}

func basic(by staff) http.Header {
	return http.Header{"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte(by.Name+":"+by.Password))}}
}

// Actor is a person with a bank account and a browser. She does one thing at a time.
type Actor struct{ p *person }

// Cast opens an account for a new person, who has a phone that her bank knows.
func (s *Stage) Cast(ctx context.Context, bank id.Bank) (*Actor, error) {
	d, err := s.w.newDepositor(ctx, bank, true)
	if err != nil {
		return nil, err
	}
	return &Actor{newPerson(s.w, d, false)}, nil
}

// Number is her account's at the bank, of seven digits.
func (a *Actor) Number() string { return a.p.Number }

// Opening is what the account held when it was opened.
func (a *Actor) Opening() money.Yen { return a.p.Opening }

// Join signs her up at a service, whose staff then proves who she is (level 2).
func (a *Actor) Join(ctx context.Context, s id.Service) error {
	if _, err := a.p.signUp(ctx, s); err != nil {
		return err
	}
	return a.p.proved(ctx, s)
}

// Link links her account to a service by a window at an ATM, to the end: it cools off now.
func (a *Actor) Link(ctx context.Context, s id.Service) error {
	at, err := a.Ask(ctx, s)
	if err != nil {
		return err
	}
	_, err = a.p.web.until(ctx, at, "a link that cools off", good)
	return err
}

// Ask is Link up to the service's page about the request, as soon as that has settled. It answers the page's address.
func (a *Actor) Ask(ctx context.Context, s id.Service) (string, error) {
	at, err := a.p.ask(ctx, s, a.p.Bank)
	if err != nil {
		return "", err
	}
	if at, err = a.p.consent(ctx, a.p.web, at, byATM); err != nil {
		return "", err
	}
	if at, err = a.p.agree(ctx, a.p.web, at, false); err != nil {
		return "", err
	}
	if err := at.at("/links/requests/", "the service's page about the request"); err != nil {
		return "", err
	}
	if at, err = a.p.web.settled(ctx, at); err != nil {
		return "", err
	}
	return at.url.String(), nil
}

// Slip is a charge that waits for its holder's signature.
type Slip struct {
	Debit  id.Debit
	Amount money.Yen
	page   *page
}

// Show fills in the charge form: what the device is to sign.
func (a *Actor) Show(ctx context.Context, s id.Service, amount money.Yen) (*Slip, error) {
	at, err := a.p.shown(ctx, s, amount)
	if err != nil {
		return nil, err
	}
	debit, ok := strings.CutPrefix(at.url.Path, "/charge/")
	if !ok || at.status != http.StatusOK {
		return nil, wants("a charge to be signed", at)
	}
	return &Slip{Debit: id.Debit(debit), Amount: amount, page: at}, nil
}

// Sign signs and sends; whether the charge has ended by then is not waited for.
func (a *Actor) Sign(ctx context.Context, slip *Slip) error {
	at, err := a.p.web.press(ctx, slip.page.form("/agree"))
	if err == nil && at.status != http.StatusOK {
		err = wants("a charge on its way", at)
	}
	return err
}

// Charge shows and signs.
func (a *Actor) Charge(ctx context.Context, s id.Service, amount money.Yen) (id.Debit, error) {
	slip, err := a.Show(ctx, s, amount)
	if err != nil {
		return "", err
	}
	return slip.Debit, a.Sign(ctx, slip)
}

// Refused tries to charge an amount, and fails unless that is refused in the name of a rule.
func (a *Actor) Refused(ctx context.Context, s id.Service, amount money.Yen, rule string) error {
	return a.p.refused(ctx, s, amount, rule)
}

// Proof lets her device at a service sign any challenge, as if a page of the service had asked for it.
func (a *Actor) Proof(s id.Service, challenge []byte) (wire.DeviceProof, error) {
	at, err := url.Parse(a.p.service(s))
	if err != nil {
		return wire.DeviceProof{}, err
	}
	for _, k := range a.p.web.keys.keys {
		if k.rp.Origin != origin(at) {
			continue
		}
		return readProof(virtualwebauthn.CreateAssertionResponse(k.rp, k.authenticator, k.credential,
			virtualwebauthn.AssertionOptions{Challenge: challenge, RelyingPartyID: k.rp.ID}))
	}
	return wire.DeviceProof{}, fmt.Errorf("she has no passkey for %s", at)
}

// Signature lets her device sign a slip without sending it.
func (a *Actor) Signature(slip *Slip) (wire.DeviceProof, error) {
	box := slip.page.find(func(n node) bool { return n.has("data-ceremony") })
	if box == nil {
		return wire.DeviceProof{}, wants("something to sign", slip.page)
	}
	answers, err := a.p.web.keys.perform(slip.page.url, *box)
	if err != nil {
		return wire.DeviceProof{}, err
	}
	return readProof(answers["credential"])
}

func readProof(credential string) (wire.DeviceProof, error) {
	var made struct {
		ID       string
		Response struct{ AuthenticatorData, ClientDataJSON, Signature string }
	}
	err := json.Unmarshal([]byte(credential), &made)
	return wire.DeviceProof{CredentialID: made.ID, AuthenticatorData: made.Response.AuthenticatorData,
		ClientDataJSON: made.Response.ClientDataJSON, Signature: made.Response.Signature}, err
}

// Ready signs in at her bank's portal, so that StopAll is one press.
func (a *Actor) Ready(ctx context.Context) error {
	_, err := a.p.portal(ctx, byATM)
	return err
}

// StopAll presses the one button at the portal.
func (a *Actor) StopAll(ctx context.Context) error {
	at, err := a.p.portal(ctx, byATM)
	if err != nil {
		return err
	}
	if at, err = a.p.web.press(ctx, at.form("/portal/stop")); err != nil {
		return err
	}
	if !good(at) {
		return wants("everything stopped", at)
	}
	return nil
}

// FinishElsewhere asks for a link and lets it be consented to in another browser, where it must die (L12).
func (a *Actor) FinishElsewhere(ctx context.Context, s id.Service) error {
	review, err := a.p.review(ctx, s, a.p.Bank)
	if err != nil {
		return err
	}
	asking, err := a.p.web.redirected(ctx, review.form("/links/new/"+string(a.p.Bank)))
	if err != nil {
		return err
	}
	other := a.p.w.browser(false)
	at, err := other.open(ctx, asking)
	if err != nil {
		return err
	}
	if at, err = a.p.consent(ctx, other, at, byATM); err != nil {
		return err
	}
	if at, err = a.p.agree(ctx, other, at, false); err != nil {
		return err
	}
	return names(at, "L12")
}

// Elsewhere is the same person at another browser.
func (a *Actor) Elsewhere() *Actor {
	p := *a.p
	p.web = p.w.browser(false)
	return &Actor{&p}
}
