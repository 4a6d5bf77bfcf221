package walletd

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/chromedp/chromedp"

	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/wallet"
	"github.com/kozamori/kozamori/internal/wire"
)

// phone is a person's browser with a passkey provider that syncs its keys.
type phone struct {
	*house
	ctx context.Context
}

func (h *house) phone() *phone {
	h.Helper()
	return &phone{h, chromium(h.T, true)}
}

func (p *phone) must(steps ...chromedp.Action[chromedp.Void]) {
	p.Helper()
	if err := chromedp.Do(p.ctx, steps...); err != nil {
		p.Fatal(err)
	}
}

func (p *phone) open(path string) { p.Helper(); p.must(chromedp.Navigate(p.origin + path)) }

// text is what the page says; nothing while another is being loaded.
func (p *phone) text() string {
	text, err := chromedp.Run(p.ctx, chromedp.Text("main"))
	if err != nil {
		if p.ctx.Err() != nil {
			p.Fatal(err)
		}
		return ""
	}
	return text
}

// sees waits until the page says something.
func (p *phone) sees(want string) {
	p.Helper()
	text := ""
	for range 100 {
		if text = p.text(); strings.Contains(text, want) {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	p.Fatalf("the page never says %q: %s", want, text)
}

func (p *phone) send(field, value string) {
	p.Helper()
	p.must(chromedp.SendKeys("#f-"+field, value), chromedp.Click("main form button.primary"))
}

// signs presses the button that asks the passkey, once, as soon as it can be pressed.
func (p *phone) signs(want string) {
	p.Helper()
	const button = "main form:has([data-ceremony]) button.primary" // not the one of the page before
	p.must(chromedp.WaitEnabled(button), chromedp.Click(button))
	p.sees(want)
}

// look checks the page on the screen; KOZAMORI_SHOTS=DIR keeps its picture.
func (p *phone) look(name string) {
	p.Helper()
	found, err := chromedp.Run(p.ctx, chromedp.Evaluate[[]string](stray))
	if err != nil {
		p.Fatal(err)
	}
	for _, f := range found {
		p.Errorf("%s: %s", name, f)
	}
	if dir := os.Getenv("KOZAMORI_SHOTS"); dir != "" {
		b, err := chromedp.Run(p.ctx, chromedp.FullScreenshot(100))
		if err != nil {
			p.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name+".png"), b, 0o600); err != nil {
			p.Fatal(err)
		}
	}
}

// scan is what a till's reader takes from the screen.
func (p *phone) scan() []string {
	p.Helper()
	shot, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
	must(p.T, err)
	file := filepath.Join(p.TempDir(), "screen.png")
	must(p.T, os.WriteFile(file, shot, 0o600))
	read, err := exec.CommandContext(p.ctx, "zbarimg", "--quiet", "--raw", file).Output()
	if err != nil {
		p.Fatalf("zbarimg (Debian: zbar-tools): %v", err)
	}
	return strings.Fields(string(read))
}

// signUp makes a holder with a synced passkey and the browser's own key beside it.
func (p *phone) signUp() id.Subject {
	p.Helper()
	p.open("/signup?lang=ja")
	p.send("email", "hanako@example.jp")
	p.send("code", p.codeFor("hanako@example.jp"))
	p.send("phone", "090-1111-2222")
	p.send("code", p.codeFor("+819011112222"))
	p.signs("残高")
	p.open("/account")
	sub := regexp.MustCompile(`sub_[0-9a-z]{26}`).FindString(p.text())
	if sub == "" {
		p.Fatalf("no member number: %s", p.text())
	}
	return id.Subject(sub)
}

// A person charges with a synced passkey and her browser's own key, pays at a till in another window, and reads
// her history: everything in Chromium, on a phone's width, in both languages.
func TestMoneyInChromium(t *testing.T) {
	h := newHouse(t)
	p := h.phone()
	sub := p.signUp()
	seed := h.visit()
	link := seed.linked(sub, func(l *wallet.Link) { l.Reported, l.LimitedUntil = wire.LinkLimited, h.clock.Now().Add(20*time.Hour) })
	seed.linked(sub, func(l *wallet.Link) {
		l.Issuer, l.Bank, l.BankName, l.BankNameEN, l.Reported, l.CoolingUntil = bankTwo, "0150", "スルガ銀行", "Suruga Bank", wire.LinkCooling, h.clock.Now().Add(time.Hour)
	})

	p.open("/charge")
	p.look("charge-ja")
	p.send("amount", "5,001")
	p.sees("合計5,000円まで")
	p.look("charge-refused-ja")
	p.open("/charge")
	p.send("amount", "3000")
	p.sees("チャージの確認")
	p.look("confirm-ja")
	p.signs("チャージしました")
	p.look("done-ja")

	h.hub.money.set(func(m *fakeMoney) { m.silent = true })
	p.open("/charge?lang=en")
	p.look("charge-en")
	p.send("amount", "500")
	p.sees("Review your charge")
	p.look("confirm-en")
	p.signs("Asking the bank")
	p.look("waiting-en")
	h.hub.money.set(func(m *fakeMoney) { m.silent = false })
	p.sees("Charged") // by itself
	p.look("done-en")

	p.must(chromedp.EmulateViewport(390, 844, chromedp.EmulateScale(3)))
	p.open("/pay?lang=ja")
	p.look("pay-before-ja")
	p.must(chromedp.Click(`form[action="/pay"] button`), chromedp.WaitVisible("[data-code]"))
	p.look("pay-ja")
	code, err := chromedp.Run(p.ctx, chromedp.Text("[data-code]"))
	if err != nil {
		t.Fatal(err)
	}
	plainCode := strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return -1
		}
		return r
	}, code)
	if read := p.scan(); !slices.Equal(read, []string{plainCode, plainCode}) {
		t.Errorf("a reader takes %q from the screen, not %s twice", read, plainCode)
	}
	tab, closed := chromedp.NewContext(p.ctx)
	defer closed()
	till := &phone{h, tab}
	till.must(chromedp.EmulateViewport(820, 1000))
	till.open("/till")
	till.look("till-key-ja")
	till.send("key", "lunch key")
	till.sees("まちの弁当屋")
	till.look("till-ja")
	till.must(chromedp.SendKeys("#f-amount", "680"))
	till.send("code", code)
	till.sees("支払いを受けました")
	till.look("till-done-ja")
	p.sees("支払いました") // the payer's page goes on by itself
	p.look("paid-ja")
	till.must(chromedp.SendKeys("#f-amount", "680"))
	till.send("code", code)
	till.sees("この支払いコードは使えません")
	till.look("till-again-ja")

	p.open("/history")
	p.look("history-ja")
	p.open("/")
	p.look("home-ja")
	p.open("/?lang=en")
	p.must(chromedp.Click(`form[action="/pay"] button`), chromedp.WaitVisible("[data-code]"))
	p.look("pay-en")
	if got := h.server.wallet; got != nil {
		purse, err := got.PurseOf(t.Context(), sub)
		if err != nil || purse.Spendable() != 2_820 {
			t.Errorf("%+v, %v", purse, err)
		}
	}
	if c, err := h.server.store.ChargedSince(t.Context(), link.ID, time.Time{}.Add(1)); err != nil || c != 3_500 {
		t.Errorf("%d charged, %v", c, err)
	}
}

// What staff sees of the books, at a desk.
func TestBooksInChromium(t *testing.T) {
	h := newHouse(t)
	v := h.visit()
	key, sub := v.signUp("hanako@example.jp", "090-1111-2222")
	l := v.linked(sub, nil)
	v.soon(v.charges(key, l.ID, "5000"), "チャージしました")
	h.hub.money.set(func(m *fakeMoney) { m.lines[0].Amount = 4_999 })
	for i := range 3 {
		brk := wallet.PutBreak{Break: wallet.Break{ID: id.Random("brk"), Issuer: bankOne, Day: fmt.Sprintf("2026-11-2%d", i), Debit: id.Debit(id.Random("deb")),
			Line: "debit", Kind: wallet.BreakOnlyTheirs, Theirs: "debit 5,000 over lnk_…", Owner: "books", OpenedAt: h.clock.Now(), SeenAt: h.clock.Now()}}
		if err := h.server.store.Commit(t.Context(), brk); err != nil {
			t.Fatal(err)
		}
	}
	p := h.phone()
	p.open("/staff/sign-in?lang=ja")
	p.must(chromedp.SendKeys("#f-name", "suzuki"))
	p.send("password", staffPassword)
	p.sees("帳簿の照合")
	p.look("books-phone-ja")
	p.must(chromedp.EmulateViewport(1200, 900))
	p.open("/staff/money?lang=en")
	p.look("books-en")
}
