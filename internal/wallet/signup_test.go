package wallet_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/identity"
	"github.com/kozamori/kozamori/internal/wallet"
	"github.com/kozamori/kozamori/internal/wire/wiretest"
)

func TestSignUpAndSignIn(t *testing.T) {
	for _, synced := range []bool{false, true} {
		p := newPeople(t)
		h, key := p.signUp("Hanako@Example.jp ", "090-1111-2222", synced)
		if h.Email != "hanako@example.jp" || h.Phone != "+819011112222" || h.Level != identity.Contacts {
			t.Errorf("holder is %+v", h)
		}
		d, err := p.Store.Device(t.Context(), h.Subject)
		if err != nil || d.Keys.Synced != synced || d.Keys != key.Device() {
			t.Errorf("device is %+v, %v; want %+v", d.Keys, err, key.Device())
		}
		if _, err := p.Money.Books.Account(t.Context(), wallet.Available(h.Subject)); err != nil {
			t.Errorf("no account was opened: %v", err)
		}
		c, err := p.BeginSignIn()
		in, dev, err := p.FinishSignIn(t.Context(), must(t, c, err).State, assert(t, key, c.Options))
		if err != nil || in.Subject != h.Subject || !dev.Current() {
			t.Errorf("sign in: %+v, %v", in, err)
		}
		if _, _, err := p.FinishSignIn(t.Context(), nil, assert(t, key, c.Options)); fault.Of(err) != fault.Unauthorised {
			t.Errorf("an answer to no question: %v", err)
		}
		p.clock.Forward(wallet.CeremonyLife)
		if _, _, err := p.FinishSignIn(t.Context(), c.State, assert(t, key, c.Options)); fault.Of(err) != fault.Unauthorised {
			t.Errorf("an answer after %v: %v", wallet.CeremonyLife, err)
		}
	}
}

func TestSyncedPasskeyNeedsBrowserKey(t *testing.T) {
	p := newPeople(t)
	e, err := p.StartSignUp(t.Context(), "a@example.jp", "ja")
	e = p.typeCode(must(t, e, err), "a@example.jp")
	e, err = p.TakePhone(t.Context(), e.ID, "09011112222")
	e = p.typeCode(must(t, e, err), "+819011112222")
	key := wiretest.NewPasskey(rpID, origin, true)
	c, err := p.BeginDevice(t.Context(), e.ID)
	_, err = p.FinishDevice(t.Context(), e.ID, must(t, c, err).State, attest(t, key, c.Options), "")
	if fault.Of(err) != fault.Unauthorised {
		t.Errorf("a synced passkey alone became a device: %v", err)
	}
	wrongHost := wiretest.NewPasskey("evil.example.jp", "https://evil.example.jp", false)
	if _, err := p.FinishDevice(t.Context(), e.ID, c.State, attest(t, wrongHost, c.Options), ""); fault.Of(err) != fault.Unauthorised {
		t.Errorf("another host's passkey became a device: %v", err)
	}
}

// What a stranger sees of a contact that is taken, and of one that is not, is the same.
func TestSignUpIsBlind(t *testing.T) {
	p := newPeople(t)
	h, _ := p.signUp("hanako@example.jp", "+819011112222", false)
	p.clock.Forward(time.Hour)
	taken, err := p.StartSignUp(t.Context(), h.Email, "ja")
	free, err2 := p.StartSignUp(t.Context(), "new@example.jp", "ja")
	if err != nil || err2 != nil || taken.Step != free.Step || taken.Kind != free.Kind {
		t.Fatalf("%v %v: %s %s", err, err2, taken.Step, free.Step)
	}
	letters, _ := p.deliver()
	for _, l := range letters {
		if l.To == h.Email && (sixDigits.MatchString(l.Text) || !strings.Contains(l.Text, "すでに")) {
			t.Errorf("the owner was told %q", l.Text)
		}
	}
	for _, e := range []wallet.Errand{taken, free} {
		if _, err := p.TypeCode(t.Context(), e.ID, "000000"); fault.Of(err) != fault.Invalid {
			t.Errorf("a wrong code: %v", err)
		}
	}
	free = func() wallet.Errand {
		e, err := p.TypeCode(t.Context(), free.ID, codeIn(letters, "new@example.jp"))
		return must(t, e, err)
	}()
	free, err = p.TakePhone(t.Context(), free.ID, h.Phone)
	if err != nil || free.Step != wallet.PhoneCode {
		t.Errorf("a taken phone shows: %v, %s", err, free.Step)
	}
	nobody, err := p.StartRecovery(t.Context(), "nobody@example.jp", "ja", "")
	if err != nil || nobody.Step != wallet.EmailCode {
		t.Errorf("recovery of nobody shows: %v, %s", err, nobody.Step)
	}
	if letters, _ := p.deliver(); codeIn(letters, "nobody@example.jp") != "" {
		t.Error("a code went to nobody")
	}
}

// However many ask at the same time, a contact gets one code at a time and five a day.
func TestCodesAtTheSameTime(t *testing.T) {
	for name, start := range map[string]func(*people) error{
		"sign up":  func(p *people) error { _, err := p.StartSignUp(p.Context(), "a@example.jp", "ja"); return err },
		"recovery": func(p *people) error { _, err := p.StartRecovery(p.Context(), "a@example.jp", "ja", ""); return err },
	} {
		t.Run(name, func(t *testing.T) {
			p := newPeople(t)
			if name == "recovery" {
				p.signUp("a@example.jp", "09011112222", false)
				p.clock.Forward(wallet.CodeBudgetSpan)
			}
			if _, err := p.deliver(); err != nil {
				t.Fatal(err)
			}
			sent := 0
			for round := range 8 {
				var all sync.WaitGroup
				for range 60 {
					all.Go(func() {
						if err := start(p); err != nil && fault.Of(err) != fault.Busy {
							t.Error(err)
						}
					})
				}
				all.Wait()
				letters, err := p.deliver()
				if err != nil || len(letters) > 1 || (round < wallet.CodesPerDay) != (len(letters) == 1) {
					t.Fatalf("round %d sent %d letters, %v", round, len(letters), err)
				}
				sent += len(letters)
				p.clock.Forward(wallet.CodeInterval)
			}
			if sent != wallet.CodesPerDay {
				t.Errorf("%d codes in a day", sent)
			}
		})
	}
}

func TestCodes(t *testing.T) {
	t.Run("three tries", func(t *testing.T) {
		p := newPeople(t)
		e, err := p.StartSignUp(t.Context(), "a@example.jp", "ja")
		must(t, e, err)
		letters, _ := p.deliver()
		code := codeIn(letters, "a@example.jp")
		for range wallet.CodeTries {
			if _, err := p.TypeCode(t.Context(), e.ID, otherThan(code)); fault.Of(err) != fault.Invalid {
				t.Fatal(err)
			}
		}
		if _, err := p.TypeCode(t.Context(), e.ID, code); fault.Of(err) != fault.Invalid {
			t.Errorf("the right code after three wrong ones: %v", err)
		}
	})
	t.Run("too late", func(t *testing.T) {
		p := newPeople(t)
		e, err := p.StartSignUp(t.Context(), "a@example.jp", "ja")
		must(t, e, err)
		letters, _ := p.deliver()
		p.clock.Forward(wallet.CodeLife)
		if _, err := p.TypeCode(t.Context(), e.ID, codeIn(letters, "a@example.jp")); fault.Of(err) != fault.Invalid {
			t.Errorf("a code after %v: %v", wallet.CodeLife, err)
		}
	})
	t.Run("once", func(t *testing.T) {
		p := newPeople(t)
		e, err := p.StartSignUp(t.Context(), "a@example.jp", "ja")
		must(t, e, err)
		letters, _ := p.deliver()
		code := codeIn(letters, "a@example.jp")
		var done sync.WaitGroup
		right := make(chan bool, 20)
		for range cap(right) {
			done.Go(func() {
				_, err := p.TypeCode(t.Context(), e.ID, code)
				right <- err == nil
			})
		}
		done.Wait()
		close(right)
		n := 0
		for ok := range right {
			if ok {
				n++
			}
		}
		if n != 1 {
			t.Errorf("a code was right %d times in 20 at once", n)
		}
	})
	t.Run("five a day", func(t *testing.T) {
		p := newPeople(t)
		for i := range wallet.CodesPerDay {
			if _, err := p.StartSignUp(t.Context(), "a@example.jp", "ja"); err != nil {
				t.Fatalf("code %d: %v", i+1, err)
			}
			if _, err := p.StartSignUp(t.Context(), "a@example.jp", "ja"); fault.Of(err) != fault.Busy {
				t.Errorf("two at once: %v", err)
			}
			p.clock.Forward(time.Minute)
		}
		if _, err := p.StartSignUp(t.Context(), "a@example.jp", "ja"); fault.Of(err) != fault.Busy {
			t.Errorf("code %d of a day: %v", wallet.CodesPerDay+1, err)
		}
		if _, err := p.StartSignUp(t.Context(), "b@example.jp", "ja"); err != nil {
			t.Errorf("another's code: %v", err)
		}
		p.clock.Forward(24 * time.Hour)
		if _, err := p.StartSignUp(t.Context(), "a@example.jp", "ja"); err != nil {
			t.Errorf("the next day: %v", err)
		}
	})
}

func otherThan(code string) string {
	if code == "111111" {
		return "222222"
	}
	return "111111"
}

func TestErrandStepsCannotBeSkipped(t *testing.T) {
	p := newPeople(t)
	e, err := p.StartSignUp(t.Context(), "a@example.jp", "ja")
	must(t, e, err)
	if _, err := p.TakePhone(t.Context(), e.ID, "09011112222"); fault.Of(err) != fault.Gone {
		t.Errorf("a phone before the e-mail code: %v", err)
	}
	if _, err := p.BeginDevice(t.Context(), e.ID); fault.Of(err) != fault.Gone {
		t.Errorf("a device before the codes: %v", err)
	}
	p.clock.Forward(wallet.ErrandLife)
	if _, err := p.TypeCode(t.Context(), e.ID, "000000"); fault.Of(err) != fault.Gone {
		t.Errorf("after %v: %v", wallet.ErrandLife, err)
	}
}

func TestProveOnceInAService(t *testing.T) {
	p := newPeople(t)
	h := p.hanako()
	if h.Level != identity.Proved {
		t.Fatalf("level %d", h.Level)
	}
	kept, err := p.Store.Proof(t.Context(), h.Subject)
	if err != nil || kept.NameKana != "サトウ ハナコ" || kept.Examiner != "tanaka" || kept.Document.Number != "" {
		t.Errorf("kept %+v, %v", kept, err)
	}
	other, _ := p.signUp("other@example.jp", "+819033334444", false)
	_, err = p.Prove(t.Context(), other.Subject, evidence(p.Now(), "スズキ イチロウ", "1978-11-23", "309012345621"))
	if fault.RuleOf(err) != "L5" {
		t.Errorf("a re-issue of her licence proved another: %v", err)
	}
	_, err = p.Prove(t.Context(), other.Subject, evidence(p.Now(), "サトウ ハナコ", "1985-04-01", "100000000130"))
	if fault.Of(err) != fault.Refused && fault.Of(err) != fault.Invalid {
		t.Errorf("her namesake was proved unasked: %v", err)
	}
	if got, err := p.Store.Holder(t.Context(), other.Subject); err != nil || got.Level != identity.Contacts {
		t.Errorf("a refusal left level %d, %v", got.Level, err)
	}
}

func TestProveRace(t *testing.T) {
	p := newPeople(t)
	var subjects []wallet.Holder
	for i := range 8 {
		h, _ := p.signUp(string(rune('a'+i))+"@example.jp", "+8190111122"+string(rune('0'+i))+"0", false)
		subjects = append(subjects, h)
	}
	var done sync.WaitGroup
	won := make(chan bool, len(subjects))
	for _, h := range subjects {
		done.Go(func() {
			_, err := p.Prove(t.Context(), h.Subject, evidence(p.Now(), "サトウ ハナコ", "1985-04-01", "309012345620"))
			if err != nil && fault.RuleOf(err) != "L5" {
				t.Errorf("not refused under L5: %v", err)
			}
			won <- err == nil
		})
	}
	done.Wait()
	close(won)
	n := 0
	for ok := range won {
		if ok {
			n++
		}
	}
	if n != 1 {
		t.Errorf("one licence proved %d holders", n)
	}
}
