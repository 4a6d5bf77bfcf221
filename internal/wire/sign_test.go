package wire_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/wire"
)

const (
	bank   = "http://0149.bank.localhost:8149"
	maru   = "maru"
	hash0  = "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"
	linkID = "lnk_0123456789abcdefghjkmnpqrs"
)

func order() *wire.DebitOrder {
	return &wire.DebitOrder{
		Header: wire.Header{Issuer: maru, Audience: bank, IssuedAt: t0.Unix(), Expires: t0.Unix() + 60},
		Link:   linkID, Debit: "deb_1", Amount: 3000, Subject: "sub_1", WalletAccount: "wa_1", AgreedUs: t0.UnixMicro(),
	}
}

func wantOrder(now time.Time) wire.Expect {
	return wire.Expect{Issuer: maru, Audience: bank, Now: now, MaxAge: time.Minute}
}

func TestSignAndVerify(t *testing.T) {
	ed := must(wire.NewKey("ed", must2(ed25519.GenerateKey(nil))))
	for _, key := range []wire.Key{wire.GenerateKey(), must(wire.NewKey("rsa", rsaKey())), ed} {
		text, err := wire.Sign(key, order())
		if err != nil {
			t.Fatal(err)
		}
		got, err := wire.Verify[wire.DebitOrder](text, wire.NewKeySet(key.Public()), wantOrder(at(30*time.Second)))
		if err != nil {
			t.Fatalf("%v: %v", key, err)
		}
		if diff := cmp.Diff(order(), got); diff != "" {
			t.Error(diff)
		}
	}
}

func must2[A any](_ A, v ed25519.PrivateKey, err error) ed25519.PrivateKey { return must(v, err) }

// Both names of Ed25519 are read (RFC 9864).
func TestEd25519ByBothNames(t *testing.T) {
	private := must2(ed25519.GenerateKey(nil))
	keys := wire.NewKeySet(must(wire.NewKey("ed", private)).Public())
	for _, alg := range []string{"EdDSA", "Ed25519"} {
		header := map[string]any{"alg": alg, "kid": "ed", "typ": order().Typ()}
		if _, err := wire.Verify[wire.DebitOrder](forge(private, header, order()), keys, wantOrder(t0)); err != nil {
			t.Errorf("%s: %v", alg, err)
		}
		other := must2(ed25519.GenerateKey(nil))
		_, err := wire.Verify[wire.DebitOrder](forge(other, header, order()), keys, wantOrder(t0))
		wantErr(t, alg+" by another key", err, errors.Is(err, wire.ErrSignature))
	}
}

func TestSignRefusesWhatCannotBeMeant(t *testing.T) {
	for name, bend := range map[string]func(*wire.DebitOrder){
		"no issuer":   func(o *wire.DebitOrder) { o.Issuer = "" },
		"no audience": func(o *wire.DebitOrder) { o.Audience = "" },
		"no time":     func(o *wire.DebitOrder) { o.IssuedAt = 0 },
		"negative":    func(o *wire.DebitOrder) { o.Amount = -1 },
		"nothing":     func(o *wire.DebitOrder) { o.Amount = 0 },
		"no link":     func(o *wire.DebitOrder) { o.Link = "" },
		"no consent":  func(o *wire.DebitOrder) { o.AgreedUs = 0 },
	} {
		o := order()
		bend(o)
		_, err := wire.Sign(wire.GenerateKey(), o)
		wantErr(t, name, err, fault.Of(err) == fault.Internal)
	}
	if _, err := wire.Sign(wire.Key{}, order()); err == nil {
		t.Error("signed without a key")
	}
}

// Refusal 9 for signed messages: nothing but the pinned key and its algorithm counts.
func TestRefusal09_MessageKeyAndAlgorithm(t *testing.T) {
	private := newECDSA()
	key := must(wire.NewKey("k1", private))
	keys := wire.NewKeySet(key.Public(), must(wire.NewKey("r1", rsaKey())).Public())
	typ := order().Typ()
	spki := must(x509.MarshalPKIXPublicKey(&private.PublicKey))
	own := newECDSA()
	for name, text := range map[string]string{
		"none":                      forge(nil, map[string]any{"alg": "none", "kid": "k1", "typ": typ}, order()),
		"RS256":                     forge(rsaKey(), map[string]any{"alg": "RS256", "kid": "r1", "typ": typ}, order()),
		"HS256 with the public key": forge(spki, map[string]any{"alg": "HS256", "kid": "k1", "typ": typ}, order()),
		"PS256 for an EC key":       forge(rsaKey(), map[string]any{"alg": "PS256", "kid": "k1", "typ": typ}, order()),
		"ES256 for an RSA key":      forge(private, map[string]any{"alg": "ES256", "kid": "r1", "typ": typ}, order()),
		"no alg":                    forge(private, map[string]any{"kid": "k1", "typ": typ}, order()),
		"foreign kid":               forge(private, map[string]any{"alg": "ES256", "kid": "k2", "typ": typ}, order()),
		"no kid":                    forge(private, map[string]any{"alg": "ES256", "typ": typ}, order()),
		"another's signature":       forge(own, map[string]any{"alg": "ES256", "kid": "k1", "typ": typ}, order()),
		"jwk":                       forge(own, map[string]any{"alg": "ES256", "kid": "k1", "typ": typ, "jwk": publicMap(own.Public())}, order()),
		"jku":                       forge(private, map[string]any{"alg": "ES256", "kid": "k1", "typ": typ, "jku": "https://evil.example/jwks"}, order()),
		"x5u":                       forge(private, map[string]any{"alg": "ES256", "kid": "k1", "typ": typ, "x5u": "https://evil.example/x"}, order()),
		"x5c":                       forge(private, map[string]any{"alg": "ES256", "kid": "k1", "typ": typ, "x5c": []string{"AA=="}}, order()),
		"crit":                      forge(private, map[string]any{"alg": "ES256", "kid": "k1", "typ": typ, "crit": []string{"exp"}}, order()),
		"b64":                       forge(private, map[string]any{"alg": "ES256", "kid": "k1", "typ": typ, "b64": true}, order()),
	} {
		_, err := wire.Verify[wire.DebitOrder](text, keys, wantOrder(t0))
		wantErr(t, name, err, errors.Is(err, wire.ErrSignature) && fault.Of(err) == fault.Invalid)
	}
	double := forgeRaw(private, fmt.Appendf(nil, `{"alg":"none","kid":"k1","typ":%q,"alg":"ES256"}`, typ), must(json.Marshal(order())))
	if _, err := wire.Verify[wire.DebitOrder](double, keys, wantOrder(t0)); err == nil {
		t.Error("a header with alg twice was taken")
	}
}

func TestVerifyRefuses(t *testing.T) {
	private := newECDSA()
	keys := wire.NewKeySet(must(wire.NewKey("k1", private)).Public())
	good := map[string]any{"alg": "ES256", "kid": "k1", "typ": order().Typ()}
	bend := func(f func(*wire.DebitOrder)) string {
		o := order()
		f(o)
		return forge(private, good, o)
	}
	whole := forge(private, good, order())
	parts := strings.Split(whole, ".")
	for name, text := range map[string]string{
		"another typ":     forge(private, map[string]any{"alg": "ES256", "kid": "k1", "typ": "kozamori-resolve+jwt"}, order()),
		"typ in capitals": forge(private, map[string]any{"alg": "ES256", "kid": "k1", "typ": strings.ToUpper(order().Typ())}, order()),
		"no typ":          forge(private, map[string]any{"alg": "ES256", "kid": "k1"}, order()),
		"another issuer":  bend(func(o *wire.DebitOrder) { o.Issuer = "batsu" }),
		"another bank":    bend(func(o *wire.DebitOrder) { o.Audience = "http://0152.bank.localhost:8152" }),
		"a slash more":    bend(func(o *wire.DebitOrder) { o.Audience += "/" }),
		"no time":         bend(func(o *wire.DebitOrder) { o.IssuedAt = 0 }),
		"11 s ahead":      bend(func(o *wire.DebitOrder) { o.IssuedAt += 11 }),
		"exp before iat":  bend(func(o *wire.DebitOrder) { o.Expires = o.IssuedAt }),
		"negative amount": bend(func(o *wire.DebitOrder) { o.Amount = -3000 }),
		"amount 0":        bend(func(o *wire.DebitOrder) { o.Amount = 0 }),
		"aud as an array": forgeRaw(private, must(json.Marshal(good)), []byte(`{"iss":"maru","aud":["`+bank+`"]}`)),
		"unknown field":   forgeRaw(private, must(json.Marshal(good)), []byte(`{"iss":"maru","fee":1}`)),
		"other content":   parts[0] + "." + b64([]byte(`{"amount":300000}`)) + "." + parts[2],
		"no signature":    parts[0] + "." + parts[1] + ".",
		"two parts":       parts[0] + "." + parts[1],
		"four parts":      whole + ".AA",
		"a space":         " " + whole,
		"a line break":    parts[0] + "\n." + parts[1] + "." + parts[2],
		"padding":         parts[0] + "=." + parts[1] + "." + parts[2],
		"rewritten":       rewritten(whole),
		"too long":        forgeRaw(private, must(json.Marshal(good)), append(must(json.Marshal(order())), bytes.Repeat([]byte(" "), 64<<10)...)),
		"empty":           "",
	} {
		_, err := wire.Verify[wire.DebitOrder](text, keys, wantOrder(t0))
		wantErr(t, name, err, fault.Of(err) == fault.Invalid)
	}
}

// rewritten is the same signature in other letters: base64url leaves four bits of the last one unused. Taken, it
// would give one order two hashes.
func rewritten(compact string) string {
	last := len(compact) - 1
	for _, c := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_" {
		other := compact[:last] + string(c)
		if a, b := must(unb64(lastPart(compact))), must(unb64(lastPart(other))); other != compact && bytes.Equal(a, b) {
			return other
		}
	}
	panic("no other spelling")
}

func lastPart(compact string) string { return compact[strings.LastIndex(compact, ".")+1:] }

func TestFreshness(t *testing.T) {
	key := wire.GenerateKey()
	keys := wire.NewKeySet(key.Public())
	text := must(wire.Sign(key, order()))
	for _, c := range []struct {
		name string
		want wire.Expect
		ok   bool
	}{
		{"at once", wantOrder(t0), true},
		{"our clock is 10 s behind", wantOrder(at(-10 * time.Second)), true},
		{"our clock is 11 s behind", wantOrder(at(-11 * time.Second)), false},
		{"just before exp", wantOrder(at(60*time.Second - time.Microsecond)), true},
		{"at exp", wantOrder(at(60 * time.Second)), false},
		{"older than asked", wire.Expect{Issuer: maru, Audience: bank, Now: at(31 * time.Second), MaxAge: 30 * time.Second}, false},
		{"a repeat, an hour later", wire.Expect{Issuer: maru, Audience: bank, Now: at(time.Hour), MaxAge: time.Minute, AnyAge: true}, true},
		{"a repeat from the future", wire.Expect{Issuer: maru, Audience: bank, Now: at(-time.Hour), AnyAge: true}, false},
	} {
		_, err := wire.Verify[wire.DebitOrder](text, keys, c.want)
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	backwards := order()
	backwards.Expires = backwards.IssuedAt - 1
	_, err := wire.Verify[wire.DebitOrder](must(wire.Sign(key, backwards)), keys, wire.Expect{Issuer: maru, Audience: bank, Now: t0, AnyAge: true})
	wantErr(t, "ends before it begins", err, true)
	_, err = wire.Verify[wire.DebitOrder](text, keys, wantOrder(at(time.Hour)))
	wantErr(t, "old", err, errors.Is(err, wire.ErrStale))
}

// Every kind of message survives signing, and is taken for no other kind.
func TestMessagesAreNotInterchangeable(t *testing.T) {
	key := wire.GenerateKey()
	keys := wire.NewKeySet(key.Public())
	all := everyMessage()
	want := wire.Expect{Issuer: "i", Audience: "a", Now: t0}
	for _, m := range all {
		text, err := wire.Sign(key, m)
		if err != nil {
			t.Fatalf("%s: %v", m.Typ(), err)
		}
		if iss, err := wire.Peek(text); err != nil || iss != "i" {
			t.Errorf("%s: Peek: %q %v", m.Typ(), iss, err)
		}
		for _, n := range emptyMessages() {
			err := wire.VerifyInto(n, text, keys, want)
			if n.Typ() != m.Typ() {
				wantErr(t, m.Typ()+" as "+n.Typ(), err, fault.Of(err) == fault.Invalid)
				continue
			}
			if err != nil {
				t.Errorf("%s: %v", m.Typ(), err)
			}
			if diff := cmp.Diff(m, n); diff != "" {
				t.Errorf("%s: %s", m.Typ(), diff)
			}
		}
	}
}

func emptyMessages() []wire.Message {
	return []wire.Message{&wire.LinkRequest{}, &wire.Identity{}, &wire.Activation{}, &wire.Abort{}, &wire.LinkReport{},
		&wire.LinkChange{}, &wire.DebitOrder{}, &wire.DebitReceipt{}, &wire.Resolve{}, &wire.Reversal{},
		&wire.ReversalReceipt{}, &wire.Statement{}, &wire.Settlement{}}
}

func everyMessage() []wire.Message {
	h := wire.Header{Issuer: "i", Audience: "a", IssuedAt: t0.Unix()}
	return []wire.Message{
		&wire.LinkRequest{Header: h, Request: "req_1", DetailsHash: hash0, Browser: hash0, RedirectURI: "https://wallet.example/back"},
		&wire.Identity{Header: h, Request: "req_1", Subject: "sub_1", DetailsHash: hash0, Level: 2, NameKana: "ヤマダ ハナコ",
			BirthDate: "1985-04-01", Phone: "+819012345678"},
		&wire.Activation{Header: h, Request: "req_1", Browser: "a.b.c.d.e"},
		&wire.Abort{Header: h, Request: "req_1", Reason: "other_browser"},
		&wire.LinkReport{Header: h, Request: "req_1", Link: linkID, Seq: 1, Subject: "sub_1", Pseudonym: "psn_1",
			State: wire.LinkLimited, LimitedUntilUs: -1},
		&wire.LinkChange{Header: h, Change: "chg_1", Link: linkID, Kind: "phone"},
		&wire.DebitOrder{Header: h, Link: linkID, Debit: "deb_1", Amount: 1, Subject: "sub_1", WalletAccount: "w", AgreedUs: 1},
		&wire.DebitReceipt{Header: h, Link: linkID, Debit: "deb_1", OrderHash: hash0, Amount: 1, WalletAccount: "w", Outcome: wire.Never},
		&wire.Resolve{Header: h, Link: linkID, Debit: "deb_1", OrderHash: hash0, Amount: 1, WalletAccount: "w"},
		&wire.Reversal{Header: h, Reversal: "rev_1", Link: linkID, Debit: "deb_1", OrderHash: hash0, Amount: 1},
		&wire.ReversalReceipt{Header: h, Reversal: "rev_1", Link: linkID, Debit: "deb_1", Amount: 1, Outcome: "reversed"},
		&wire.Statement{Header: h, Day: "2020-08-31", After: "deb_0", Open: []id.Debit{"deb_2"}, Total: &wire.StatementTotal{Lines: 1, Debits: 1}, Lines: []wire.StatementLine{
			{Kind: "debit", Debit: "deb_1", Link: linkID, Amount: 1, BookedUs: 1, Receipt: hash0}}},
		&wire.Settlement{Header: h, Day: "2020-08-31", Total: wire.StatementTotal{Lines: 2, Debits: 1, Reversals: 2}},
	}
}

// Each message refuses a shape that it cannot have.
func TestMessageShapes(t *testing.T) {
	h := wire.Header{Issuer: "i", Audience: "a", IssuedAt: t0.Unix()}
	for name, m := range map[string]wire.Message{
		"redirect to http":     &wire.LinkRequest{Header: h, Request: "r", DetailsHash: hash0, Browser: hash0, RedirectURI: "http://wallet.example/"},
		"redirect with #":      &wire.LinkRequest{Header: h, Request: "r", DetailsHash: hash0, Browser: hash0, RedirectURI: "https://wallet.example/#x"},
		"no browser":           &wire.LinkRequest{Header: h, Request: "r", DetailsHash: hash0, RedirectURI: "https://wallet.example/"},
		"no birth date":        &wire.Identity{Header: h, Request: "r", Subject: "s", DetailsHash: hash0, NameKana: "ヤマダ", Phone: "+81"},
		"30 February":          &wire.Identity{Header: h, Request: "r", Subject: "s", DetailsHash: hash0, NameKana: "ヤマダ", Phone: "+81", BirthDate: "1985-02-30"},
		"no rs":                &wire.Activation{Header: h, Request: "r"},
		"no reason":            &wire.Abort{Header: h, Request: "r"},
		"odd state":            &wire.LinkReport{Header: h, Request: "r", Link: "l", Subject: "s", Pseudonym: "p", State: "open"},
		"live without link":    &wire.LinkReport{Header: h, Request: "r", Subject: "s", Pseudonym: "p", State: wire.LinkActive},
		"no change id":         &wire.LinkChange{Header: h, Link: "l", Kind: "phone"},
		"odd outcome":          &wire.DebitReceipt{Header: h, Link: "l", Debit: "d", OrderHash: hash0, Amount: 1, WalletAccount: "w", Outcome: "Booked"},
		"receipt for no order": &wire.DebitReceipt{Header: h, Link: "l", Debit: "d", Amount: 1, WalletAccount: "w", Outcome: wire.Booked},
		"resolve of nothing":   &wire.Resolve{Header: h, Link: "l", OrderHash: hash0, Amount: 1, WalletAccount: "w"},
		"reversal of 0":        &wire.Reversal{Header: h, Reversal: "r", Link: "l", Debit: "d", OrderHash: hash0},
		"odd reversal":         &wire.ReversalReceipt{Header: h, Reversal: "r", Link: "l", Debit: "d", Amount: 1, Outcome: "booked"},
		"odd line":             &wire.Statement{Header: h, Day: "2020-08-31", Lines: []wire.StatementLine{{Kind: "fee", Debit: "d", Link: "l", Amount: 1, Receipt: hash0}}},
		"line of no amount":    &wire.Statement{Header: h, Day: "2020-08-31", Lines: []wire.StatementLine{{Kind: "debit", Debit: "d", Link: "l", Receipt: hash0}}},
		"no day":               &wire.Statement{Header: h},
		"page before itself":   &wire.Statement{Header: h, Day: "2020-08-31", After: "deb_2", Upto: "deb_1"},
		"page of nothing":      &wire.Statement{Header: h, Day: "2020-08-31", After: "deb_2", Upto: "deb_2"},
		"line off the page":    &wire.Statement{Header: h, Day: "2020-08-31", After: "d", Lines: []wire.StatementLine{{Kind: "debit", Debit: "d", Link: "l", Amount: 1, Receipt: hash0}}},
		"open off the page":    &wire.Statement{Header: h, Day: "2020-08-31", Upto: "deb_1", Open: []id.Debit{"deb_2"}},
		"settled too early":    &wire.Statement{Header: h, Day: "2020-08-31", Upto: "deb_1", Settlement: "a.b.c"},
		"settled no day":       &wire.Settlement{Header: h},
		"total too early":      &wire.Statement{Header: h, Day: "2020-08-31", Upto: "deb_1", Total: &wire.StatementTotal{}},
	} {
		_, err := wire.Sign(wire.GenerateKey(), m)
		wantErr(t, name, err, fault.Of(err) == fault.Internal)
	}
	if _, err := wire.Sign(wire.GenerateKey(), &wire.LinkReport{Header: h, Request: "r", Subject: "s", State: wire.LinkDead}); err != nil {
		t.Errorf("a dead request has no link: %v", err)
	}
}
