package bank

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/wire"
)

// drawn reads the arrows of a diagram in docs/states.md, ends aside.
func drawn(t *testing.T, heading string) []string {
	t.Helper()
	text, err := os.ReadFile("../../docs/states.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(text), "## "+heading+"\n")
	if !ok {
		t.Fatalf("docs/states.md has no section %q", heading)
	}
	_, rest, _ = strings.Cut(rest, "stateDiagram-v2\n")
	diagram, _, _ := strings.Cut(rest, "```")
	var arrows []string
	for line := range strings.Lines(diagram) {
		from, to, ok := strings.Cut(strings.TrimSpace(line), " --> ")
		if ok && to != "[*]" {
			arrows = append(arrows, strings.Replace(from, "[*]", "", 1)+">"+to)
		}
	}
	slices.Sort(arrows)
	return arrows
}

// arrows lists a table of moves.
func arrows[S ~string](table map[S][]S) []string {
	var out []string
	for from, tos := range table {
		for _, to := range tos {
			out = append(out, string(from)+">"+string(to))
		}
	}
	slices.Sort(out)
	return out
}

func TestStatesAreDrawnAsTheyAre(t *testing.T) {
	if diff := cmp.Diff(arrows(linkMoves), drawn(t, "A link at the bank")); diff != "" {
		t.Errorf("link: -code +drawing\n%s", diff)
	}
	if diff := cmp.Diff(arrows(requestMoves), drawn(t, "A link request at the bank")); diff != "" {
		t.Errorf("request: -code +drawing\n%s", diff)
	}
}

func TestStateAt(t *testing.T) {
	now := time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC)
	live := Link{State: LinkLive, ActivatedAt: now, Valid: now.AddDate(1, 0, 0), Confirmed: true}
	typed := live
	typed.Confirmed = false
	gate := ledger.Gate{NotBefore: now.Add(12 * time.Hour), LimitedUntil: now.Add(36 * time.Hour)}
	weak := gate
	weak.LimitedUntil = now.AddDate(100, 0, 0)
	in := func(s RowState) Link { l := live; l.State = s; return l }
	never := func(s RowState) Link {
		l := in(s)
		l.ActivatedAt = time.Time{}
		l.WaitsUntil = now.Add(RedeemLife)
		return l
	}
	for _, c := range []struct {
		name    string
		link    Link
		gate    ledger.Gate
		account ledger.Gate
		after   time.Duration
		want    wire.LinkState
		until   time.Duration // after now; 0 for none
	}{
		{"cooling", live, gate, ledger.Gate{}, 0, wire.LinkCooling, 12 * time.Hour},
		{"last moment of cooling", live, gate, ledger.Gate{}, 12*time.Hour - 1, wire.LinkCooling, 12 * time.Hour},
		{"limited", live, gate, ledger.Gate{}, 12 * time.Hour, wire.LinkLimited, 36 * time.Hour},
		{"active", live, gate, ledger.Gate{}, 36 * time.Hour, wire.LinkActive, live.Valid.Sub(now)},
		{"limited until a strong proof", typed, weak, ledger.Gate{}, 90 * 24 * time.Hour, wire.LinkLimited, 0},
		{"past its last day", live, gate, ledger.Gate{}, live.Valid.Sub(now), wire.LinkExpired, 0},
		{"stopped with all others", live, gate, ledger.Gate{Shut: ShutStopped}, 36 * time.Hour, wire.LinkSuspended, 0},
		{"waiting", never(LinkAuthenticated), gate, ledger.Gate{}, 0, wire.LinkWaiting, RedeemLife},
		{"suspended", in(LinkSuspended), gate, ledger.Gate{}, 0, wire.LinkSuspended, 0},
		{"revoked", in(LinkRevoked), gate, ledger.Gate{}, 0, wire.LinkRevoked, 0},
		{"revoked before it began", never(LinkRevoked), gate, ledger.Gate{}, 0, wire.LinkDead, 0},
		{"expired", in(LinkExpired), gate, ledger.Gate{}, 0, wire.LinkExpired, 0},
		{"never activated", never(LinkExpired), gate, ledger.Gate{}, 0, wire.LinkDead, 0},
	} {
		state, until := StateAt(c.link, c.gate, c.account, now.Add(c.after))
		want := time.Time{}
		if c.until != 0 {
			want = now.Add(c.until)
		}
		if state != c.want || !until.Equal(want) {
			t.Errorf("%s: %s until %v, want %s until %v", c.name, state, until, c.want, want)
		}
	}
}

func TestReceivedOnAnotherChannel(t *testing.T) {
	for _, c := range []struct {
		proof    ProofKind
		channels []Channel
		want     bool
	}{
		{ProofCode, nil, false},
		{ProofCode, []Channel{SMS}, false},
		{ProofCode, []Channel{Email}, true},
		{ProofCode, []Channel{SMS, ReceiptATM}, true},
		{ProofPasskey, nil, false},
		{ProofPasskey, []Channel{SMS}, true},
		{ProofATM, []Channel{SMS}, true},
		{ProofATM, []Channel{ReceiptATM}, true},
		{ProofATM, nil, false},
	} {
		var receipts []Receipt
		for _, ch := range c.channels {
			receipts = append(receipts, Receipt{Channel: ch})
		}
		if got := Received(c.proof, receipts); got != c.want {
			t.Errorf("%s proved, %v arrived: %v", c.proof, c.channels, got)
		}
	}
}

func TestPolicyFloors(t *testing.T) {
	if err := DefaultPolicy().Check(); err != nil {
		t.Fatal(err)
	}
	for name, weaken := range map[string]func(*Policy){
		"cooling":       func(p *Policy) { p.Cooling = MinCooling - 1 },
		"limited":       func(p *Policy) { p.Limited = MinLimited - 1 },
		"limited_cap":   func(p *Policy) { p.LimitedCap = MaxLimited + 1 },
		"account_day":   func(p *Policy) { p.AccountDay = MaxAccountDay + 1 },
		"account_month": func(p *Policy) { p.AccountMonth = MaxAccountMonth + 1 },
		"link_each":     func(p *Policy) { p.AccountEach, p.LinkEach = 10_000, 10_001 },
		"contact_age":   func(p *Policy) { p.ContactAge = MinAge - time.Second },
		"deadline":      func(p *Policy) { p.Deadline = MinDeadline - 1 },
		"no proof":      func(p *Policy) { p.Code, p.Passkey, p.ATM = false, false, false },
	} {
		p := DefaultPolicy()
		weaken(&p)
		if p.Check() == nil {
			t.Errorf("%s below its floor is taken", name)
		}
	}
}

func TestCompare(t *testing.T) {
	file := onFile{
		Account:  Account{HolderKana: "サトウ ハナコ", BirthDate: "1985-04-01"},
		Contacts: []Contact{{Channel: SMS, Address: "+819011112222"}, {Channel: SMS, Address: "+819000000001", RemovedAt: time.Now()}},
	}
	same := wire.Identity{NameKana: "サトウ ハナコ", BirthDate: "1985-04-01", Phone: "+819011112222"}
	for _, c := range []struct {
		name       string
		change     func(*wire.Identity, *onFile)
		full, near bool
	}{
		{"the same", func(*wire.Identity, *onFile) {}, true, false},
		{"half-width", func(i *wire.Identity, _ *onFile) { i.NameKana = "ｻﾄｳ ﾊﾅｺ" }, true, false},
		{"swapped", func(i *wire.Identity, _ *onFile) { i.NameKana = "ハナコ サトウ" }, true, true},
		{"another name", func(i *wire.Identity, _ *onFile) { i.NameKana = "タナカ マコト" }, false, false},
		{"no name", func(i *wire.Identity, _ *onFile) { i.NameKana = "" }, false, false},
		{"a day off", func(i *wire.Identity, _ *onFile) { i.BirthDate = "1985-04-02" }, false, false},
		{"no birth date anywhere", func(i *wire.Identity, f *onFile) { i.BirthDate, f.Account.BirthDate = "", "" }, false, false},
		{"another phone", func(i *wire.Identity, _ *onFile) { i.Phone = "+819011112223" }, false, false},
		{"a phone taken off file", func(i *wire.Identity, _ *onFile) { i.Phone = "+819000000001" }, false, false},
		{"no phone on file", func(_ *wire.Identity, f *onFile) { f.Contacts = f.Contacts[1:] }, true, false},
	} {
		who, f := same, file
		c.change(&who, &f)
		if full, near := compare(who, f).Full(); full != c.full || near != c.near {
			t.Errorf("%s: full %v, near %v", c.name, full, near)
		}
	}
}
