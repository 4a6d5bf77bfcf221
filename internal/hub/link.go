package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
)

// NewLink is a service's request for a link (step 2 of docs/protocol.md).
type NewLink struct {
	Request     id.Request
	Issuer      id.Issuer
	State       string
	RedirectURI string
	Details     string // authorization_details, byte for byte as the service signed their hash
	LinkRequest string
	Identity    string
}

// secrets are what a request's row seals.
type secrets struct {
	Verifier string `json:"verifier,omitempty"`
	Key      []byte `json:"key"`
	Token    string `json:"token,omitempty"`
}

// bindRequest and bindLink tie sealed secrets to their row.
func bindRequest(r id.Request) string { return "request/" + string(r) }
func bindLink(l id.Link) string       { return "link/" + string(l) }

// RequestLink sends a link request to the bank and returns where the browser goes. The same request again gets the
// same answer while it holds. The matrix is asked in the transaction that records the request and again in the one
// that records the bank's answer, so nothing that commits after a suspension goes through.
func (h *Hub) RequestLink(ctx context.Context, s id.Service, in NewLink, digest string) (url string, expires time.Time, err error) {
	const op = "hub.RequestLink"
	if _, ok := h.banks[in.Issuer]; !ok {
		return "", time.Time{}, fault.New(fault.NotFound, op, nil)
	}
	row, sec, err := h.recordRequest(ctx, s, in, digest)
	if err != nil {
		return "", time.Time{}, err
	}
	if row.Stage != Asked {
		if row.Stage == PushedTo && h.Now().Before(row.Expires) {
			return row.AuthorizationURL, row.Expires, nil
		}
		return "", time.Time{}, fault.New(fault.Gone, op, nil)
	}
	done, err := h.at(in.Issuer, op)
	if err != nil {
		return "", time.Time{}, err
	}
	defer done()
	url, lasts, err := h.Bridge.Push(ctx, in.Issuer, Pushed{RedirectURI: in.RedirectURI, State: in.State, Details: in.Details,
		LinkRequest: in.LinkRequest, Identity: in.Identity, Verifier: sec.Verifier, Key: sec.Key})
	if err != nil {
		// The bank takes a request once: after a lost answer only a new request helps.
		_ = h.setStage(ctx, row.ID, Ended)
		return "", time.Time{}, err
	}
	row.Stage, row.AuthorizationURL, row.Expires = PushedTo, url, h.Now().Add(lasts)
	err = h.Store.Change(ctx, func(tx Tx) error {
		if err := refuseSuspended(ctx, tx, op, s, in.Issuer); err != nil {
			return err
		}
		now, _, err := tx.Request(ctx, row.ID)
		if err != nil {
			return err
		}
		if now.Stage != Asked {
			return fault.New(fault.Gone, op, nil)
		}
		return tx.PutRequest(ctx, row)
	})
	return url, row.Expires, err
}

// recordRequest writes a new request's row, or returns the row it has.
func (h *Hub) recordRequest(ctx context.Context, s id.Service, in NewLink, digest string) (Request, secrets, error) {
	const op = "hub.RequestLink"
	key, err := h.Bridge.NewKey()
	if err != nil {
		return Request{}, secrets{}, fault.New(fault.Internal, op, err)
	}
	sec := secrets{Verifier: h.Bridge.NewVerifier(), Key: key}
	sealed, err := h.seal(sec, bindRequest(in.Request))
	if err != nil {
		return Request{}, secrets{}, err
	}
	row := Request{ID: in.Request, Service: s, Issuer: in.Issuer, Stage: Asked, Digest: digest, RedirectURI: in.RedirectURI,
		Sealed: sealed, Created: h.Now()}
	err = h.Store.Change(ctx, func(tx Tx) error {
		if err := refuseSuspended(ctx, tx, op, s, in.Issuer); err != nil {
			return err
		}
		old, known, err := tx.Request(ctx, in.Request)
		if err != nil {
			return err
		}
		if known {
			if old.Service != s || old.Digest != digest {
				return fault.New(fault.Conflict, op, errors.New("request id with other content"))
			}
			row = old
			return nil
		}
		return tx.PutRequest(ctx, row)
	})
	if err != nil {
		return Request{}, secrets{}, err
	}
	if len(row.Sealed) == 0 { // over, and its secrets forgotten
		return row, secrets{}, nil
	}
	sec, err = h.open(row.Sealed, bindRequest(row.ID))
	return row, sec, err
}

// refuseSuspended refuses where the matrix takes no new links.
func refuseSuspended(ctx context.Context, tx Tx, op string, s id.Service, i id.Issuer) error {
	entries, err := tx.Suspensions(ctx)
	if err != nil {
		return err
	}
	if Effective(entries, s, i).State >= NoNewLinks {
		return refuseNewLinks(op)
	}
	return nil
}

// own loads a request of the service; another service's is not found.
func own(ctx context.Context, tx Tx, op string, s id.Service, r id.Request) (Request, error) {
	row, ok, err := tx.Request(ctx, r)
	if err != nil {
		return Request{}, err
	}
	if !ok || row.Service != s {
		return Request{}, fault.New(fault.NotFound, op, nil)
	}
	return row, nil
}

// setStage moves a request on.
func (h *Hub) setStage(ctx context.Context, r id.Request, to Stage) error {
	return h.Store.Change(ctx, func(tx Tx) error {
		row, ok, err := tx.Request(ctx, r)
		if err != nil || !ok {
			return err
		}
		row.Stage = to
		return tx.PutRequest(ctx, row)
	})
}

// Redeem exchanges the code for the link's token and hands the activation to the bank (step 7). It may be called again
// with the same code and goes on where it was. A code the bank refuses ends the request; so does a token whose answer
// was lost, for the bank takes a code once.
func (h *Hub) Redeem(ctx context.Context, s id.Service, r id.Request, code, codeHash, iss, activation string) (string, error) {
	const op = "hub.Redeem"
	row, err := h.beginRedeem(ctx, s, r, codeHash, iss)
	if err != nil {
		return "", err
	}
	done, err := h.at(row.Issuer, op)
	if err != nil {
		return "", err
	}
	defer done()
	alone, err := h.alone(r)
	if err != nil {
		return "", err
	}
	defer alone()
	if row, err = h.beginRedeem(ctx, s, r, codeHash, iss); err != nil { // it may have moved on while we waited
		return "", err
	}
	sec, err := h.open(row.Sealed, bindRequest(r))
	if err != nil {
		return "", err
	}
	if sec.Token == "" {
		if row, sec, err = h.exchange(ctx, row, sec, code); err != nil {
			return "", err
		}
	}
	report, err := h.Bridge.Activate(ctx, row.Issuer, LinkToken{Token: sec.Token, Key: sec.Key}, activation)
	if err != nil {
		return "", err
	}
	if report.Request != r || report.Issuer != row.Issuer || report.Service != s {
		return "", fault.New(fault.Internal, op, fmt.Errorf("report of %q names another request, bank or service", row.Issuer))
	}
	return report.Raw, h.recordLinked(ctx, row, sec, report)
}

// alone sees to it that one redemption of a request runs at a time: a service whose call timed out asks again while
// the first is still under way, and a code used twice would cost the person her link.
func (h *Hub) alone(r id.Request) (func(), error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.redeeming[r] {
		return nil, fault.New(fault.Busy, "hub.Redeem", errors.New("a redemption of the request is under way"))
	}
	h.redeeming[r] = true
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.redeeming, r)
	}, nil
}

// beginRedeem checks that the redemption fits the request and the matrix, and records that it has begun.
func (h *Hub) beginRedeem(ctx context.Context, s id.Service, r id.Request, codeHash, iss string) (Request, error) {
	const op = "hub.Redeem"
	var row Request
	err := h.Store.Change(ctx, func(tx Tx) (err error) {
		if row, err = own(ctx, tx, op, s, r); err != nil {
			return err
		}
		if id.Issuer(iss) != row.Issuer { // RFC 9207: a code of another bank
			return fault.New(fault.Invalid, op, errors.New("iss is not the bank of the request"))
		}
		if row.Stage == Linked { // the activation may be repeated, also after a suspension: it changes nothing
			if row.CodeHash != codeHash {
				return fault.New(fault.Conflict, op, errors.New("another code"))
			}
			if len(row.Sealed) == 0 {
				return fault.New(fault.Gone, op, errors.New("the request's token is forgotten"))
			}
			return nil
		}
		if err := refuseSuspended(ctx, tx, op, s, row.Issuer); err != nil {
			return err
		}
		switch {
		case row.Stage == PushedTo:
		case row.Stage == Redeeming && row.CodeHash == codeHash:
			return nil
		case row.Stage == Redeeming:
			return fault.New(fault.Conflict, op, errors.New("another code"))
		default:
			return fault.New(fault.Gone, op, nil)
		}
		row.Stage, row.CodeHash = Redeeming, codeHash
		return tx.PutRequest(ctx, row)
	})
	return row, err
}

// exchange redeems the code and keeps the token: in the row it returns too, for whoever asks again must find it
// there and not use the code a second time. The bank's refusal ends the request.
func (h *Hub) exchange(ctx context.Context, row Request, sec secrets, code string) (Request, secrets, error) {
	const op = "hub.Redeem"
	got, err := h.Bridge.Exchange(ctx, row.Issuer, Exchanged{Code: code, RedirectURI: row.RedirectURI, Verifier: sec.Verifier, Key: sec.Key})
	if err != nil {
		if k := fault.Of(err); k != fault.Unavailable && k != fault.Busy {
			_ = h.setStage(ctx, row.ID, Ended)
			return row, sec, fault.New(fault.Gone, op, err)
		}
		return row, sec, err
	}
	sec.Token, sec.Verifier = got.Token, ""
	if row.Sealed, err = h.seal(sec, bindRequest(row.ID)); err != nil {
		return row, sec, err
	}
	return row, sec, h.Store.Change(ctx, func(tx Tx) error {
		if err := refuseSuspended(ctx, tx, op, row.Service, row.Issuer); err != nil {
			return err
		}
		return tx.PutRequest(ctx, row)
	})
}

// recordLinked keeps the link with its token. The request keeps its own copy, for a redemption that is repeated.
func (h *Hub) recordLinked(ctx context.Context, row Request, sec secrets, report Report) error {
	sealed, err := h.seal(secrets{Key: sec.Key, Token: sec.Token}, bindLink(report.Link))
	if err != nil {
		return err
	}
	return h.Store.Change(ctx, func(tx Tx) error {
		if report.Link == "" { // dead: there is no link
			row.Stage, row.Sealed = Ended, nil
			return tx.PutRequest(ctx, row)
		}
		old, known, err := tx.Link(ctx, report.Link)
		if err != nil {
			return err
		}
		if known && (old.Service != row.Service || old.Issuer != row.Issuer) {
			return fault.New(fault.Conflict, "hub.Redeem", errors.New("link of another pair"))
		}
		l := linkFrom(report, old, h.Now())
		l.Sealed = sealed
		if err := tx.PutLink(ctx, l); err != nil {
			return err
		}
		if row.Stage == Linked {
			return nil
		}
		row.Stage = Linked
		return tx.PutRequest(ctx, row)
	})
}

// linkFrom is a link's row after a report; an older report than the row's changes only what is missing.
func linkFrom(r Report, old Link, now time.Time) Link {
	if old.ID != "" && r.Seq <= old.Seq {
		return old
	}
	return Link{ID: r.Link, Service: r.Service, Issuer: r.Issuer, Request: r.Request, Pseudonym: r.Pseudonym,
		State: r.State, Seq: r.Seq, Sealed: old.Sealed, Updated: now}
}

// Abort forwards the service's signed abort of a request; the request can be redeemed no more.
func (h *Hub) Abort(ctx context.Context, s id.Service, r id.Request, abort string) (string, error) {
	const op = "hub.Abort"
	var row Request
	err := h.Store.Change(ctx, func(tx Tx) (err error) {
		if row, err = own(ctx, tx, op, s, r); err != nil {
			return err
		}
		if row.Stage == Linked {
			return nil // the bank decides: it may answer that there is a link
		}
		row.Stage = Ended
		return tx.PutRequest(ctx, row)
	})
	if err != nil {
		return "", err
	}
	return h.forward(ctx, op, row.Issuer, "/v1/aborts", "abort", abort, "report")
}

// forward hands one message to a bank, unchanged.
func (h *Hub) forward(ctx context.Context, op string, issuer id.Issuer, path, field, message, answer string) (string, error) {
	done, err := h.at(issuer, op)
	if err != nil {
		return "", err
	}
	defer done()
	return h.Bridge.Forward(ctx, issuer, path, field, message, answer)
}

func (h *Hub) seal(s secrets, bind string) ([]byte, error) {
	b, err := json.Marshal(s)
	if err != nil {
		return nil, fault.New(fault.Internal, "hub.seal", err)
	}
	sealed, err := h.Sealer.Seal(b, bind)
	if err != nil {
		return nil, fault.New(fault.Internal, "hub.seal", err)
	}
	return sealed, nil
}

func (h *Hub) open(sealed []byte, bind string) (secrets, error) {
	b, err := h.Sealer.Open(sealed, bind)
	if err != nil {
		return secrets{}, fault.New(fault.Internal, "hub.open", err)
	}
	var s secrets
	if err := json.Unmarshal(b, &s); err != nil {
		return secrets{}, fault.New(fault.Internal, "hub.open", err)
	}
	return s, nil
}
