package walletd

import (
	"testing"
	"time"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/wallet"
	"github.com/kozamori/kozamori/internal/web"
	"github.com/kozamori/kozamori/internal/wire"
)

var testNow = time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC)

// TestTemplates holds every template of the people half against the struct of its page.
func TestTemplates(t *testing.T) {
	site, err := newSite(Config{Service: ServiceConfig{NameJA: "まるペイ", NameEN: "MaruPay"}}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	row := rowOf(wallet.Link{BankName: "静岡銀行", Reported: wire.LinkCooling, CoolingUntil: testNow.Add(time.Hour)}, testNow)
	pages := append(moneyPages(), welcomePage{}, startPage{wallet.SignUp, web.NewForm()}, stepsPage{Form: web.NewForm()}, signInPage{},
		homePage{Links: []linkRow{row}, Purse: wallet.Purse{Maturing: []wallet.MaturingPart{{}}}}, accountPage{Name: "サトウ"},
		changePage{wallet.Email, web.NewForm()}, replacePage{}, linksPage{Links: []linkRow{row}, Over: []linkRow{row}, Asks: []wallet.Ask{{}}},
		linkPage{linkRow: row}, choosePage{Form: web.NewForm(), Banks: []bankRow{{}}}, reviewPage{}, askPage{Link: &row},
		staffSignInPage{web.NewForm()}, staffPage{Form: web.NewForm(), Found: &wallet.Holder{}}, provePage{Form: web.NewForm()})
	if err := site.Check(pages...); err != nil {
		t.Error(err)
	}
}

// Every state a bank may report is said in both languages, and every moment of it has an end where the bank gave one.
func TestEveryLinkStateHasWords(t *testing.T) {
	for _, state := range []wire.LinkState{wire.LinkWaiting, wire.LinkCooling, wire.LinkLimited, wire.LinkActive, wire.LinkSuspended,
		wire.LinkRevoked, wire.LinkExpired, wire.LinkDead} {
		text := stateTexts[state]
		for _, x := range []fault.Text{text.word, text.says} {
			if x.JA == "" || x.EN == "" {
				t.Errorf("%s is not said in both languages", state)
			}
		}
	}
	l := wallet.Link{Reported: wire.LinkCooling, CoolingUntil: testNow.Add(time.Hour), LimitedUntil: testNow.Add(2 * time.Hour), ValidUntil: testNow.Add(3 * time.Hour)}
	for after, want := range map[time.Duration]time.Time{0: l.CoolingUntil, 90 * time.Minute: l.LimitedUntil, 150 * time.Minute: l.ValidUntil, 4 * time.Hour: {}} {
		if got := rowOf(l, testNow.Add(after)); !got.Until.Equal(want) {
			t.Errorf("after %v: %s until %v, want %v", after, got.State, got.Until, want)
		}
	}
	l.LimitedUntil, l.UntilProof = time.Time{}, true
	if got := rowOf(l, testNow.Add(90*time.Minute)); got.Says != textUntilProof || !got.Until.IsZero() {
		t.Errorf("%+v", got)
	}
	l.EndRequested = true
	if got := rowOf(l, testNow); got.Word != textEndingWord || !got.Until.IsZero() {
		t.Errorf("%+v", got)
	}
}

func TestLocalPath(t *testing.T) {
	for next, want := range map[string]string{
		"": "/", "/links": "/links", "//evil.example": "/", "https://evil.example/": "/", "/\\evil.example": "/", "links": "/",
		"/links?x=1": "/links", "/a b": "/a%20b",
	} {
		if got := localPath(next); got != want {
			t.Errorf("%q leads to %q, want %q", next, got, want)
		}
	}
}
