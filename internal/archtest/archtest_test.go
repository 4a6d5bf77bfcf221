package archtest

import (
	"fmt"
	"strings"
	"testing"
)

// Each checker must find its breach, or its silence about the tree means nothing.

func mustParse(t *testing.T, path, text string) source {
	t.Helper()
	s, err := parse(path, text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// expect compares findings with the words each must hold, in order.
func expect(t *testing.T, found []string, words ...string) {
	t.Helper()
	if len(found) != len(words) {
		t.Fatalf("%d findings, want %d: %q", len(found), len(words), found)
	}
	for i, w := range words {
		if !strings.Contains(found[i], w) {
			t.Errorf("finding %q does not say %q", found[i], w)
		}
	}
}

func ours(folders ...string) []string {
	var list []string
	for _, f := range folders {
		list = append(list, Module+"/internal/"+f)
	}
	return list
}

func TestCheckImports(t *testing.T) {
	in := func(dir string) string { return Module + "/internal/" + dir }
	expect(t, checkImports(in("wallet"), ours("money", "ledger", "wire")))
	expect(t, checkImports(in("wallet"), ours("bank", "store/wallet", "web")), "must not import bank", "must not import store/wallet", "must not import web")
	expect(t, checkImports(in("money"), ours("fault")), "must not import fault")
	expect(t, checkImports(in("server/walletd"), ours("wallet", "hub", "store/bank")), "import hub", "import store/bank")
	expect(t, checkImports(in("audit"), ours("money", "ledger")), "import ledger")
	expect(t, checkImports(in("newcomer"), nil), "not in the table")
	expect(t, checkImports(in("ledger"), []string{"database/sql", "net/http", "os", "strings", "log/slog"}), "database/sql", "net/http", "os")
	expect(t, checkImports(in("store/bank"), []string{"database/sql", "net/http"}), "net/http")
	expect(t, checkImports(in("bank"), []string{"github.com/go-webauthn/webauthn/protocol", "github.com/go-jose/go-jose/v4/jwt", "modernc.org/sqlite/lib", "modernc.org/other"}),
		"go-jose", "modernc.org/sqlite/lib")
	expect(t, checkImports(Module+"/cmd/kozamori", append(ours("dev", "audit"), "os", "net/http")))
	expect(t, checkImports(Module+"/cmd/kozamori-hub", ours("server/hubd", "server/bankd")), "server/bankd")
	expect(t, checkImports(Module+"/cmd/stranger", nil), "not in the table")
}

func TestTableNamesNoGroupTwice(t *testing.T) {
	for dir, list := range may {
		for _, f := range expand(list) {
			if _, ok := may[f]; !ok {
				t.Errorf("%s may import %s, which has no row", dir, f)
			}
		}
	}
	for _, role := range roles {
		for _, other := range roles {
			if other == role {
				continue
			}
			for _, f := range expand(may[role] + " " + may["server/"+role+"d"] + " " + may["store/"+role]) {
				if strings.Contains(f, other) {
					t.Errorf("the table lets %s import %s", role, f)
				}
			}
		}
	}
}

func TestCheckClosure(t *testing.T) {
	deps := append(ours("bank", "server/bankd", "store/bank", "store/bank/migrations", "wire", "ledger"), "net/http", "testing/fstest", "golang.org/x/net/idna")
	expect(t, checkClosure("bank", deps[:6]))
	expect(t, checkClosure("bank", deps), "testing/fstest")
	expect(t, checkClosure("wallet", deps[:3]), "internal/bank", "server/bankd", "store/bank")
	expect(t, checkClosure("hub", append(ours("dev", "lab/attack", "wire/wiretest"), "testing", "pgregory.net/rapid", "github.com/chromedp/cdproto")),
		"internal/dev", "internal/lab/attack", "wiretest", "testing", "rapid", "chromedp")
}

func TestCheckPackageComment(t *testing.T) {
	good := mustParse(t, "internal/x/x.go", "// Package x keeps promises that can be tested.\npackage x\n")
	expect(t, checkPackageComment("x", "x", []source{good}))
	expect(t, checkPackageComment("x", "x", []source{mustParse(t, "internal/x/x.go", "package x\n")}), "no package comment")
	expect(t, checkPackageComment("x", "x", []source{mustParse(t, "internal/x/x.go", "// Package x.\npackage x\n")}), "does not begin")
	expect(t, checkPackageComment("x", "x", []source{mustParse(t, "internal/x/x.go", "// Helpers of many kinds and colours.\npackage x\n")}), "does not begin")
	expect(t, checkPackageComment("x", "x", []source{good, good}), "2 package comments")
	expect(t, checkPackageComment("cmd/tool", "main", []source{good}), "Command tool")
}

func TestCheckDocs(t *testing.T) {
	a := mustParse(t, "internal/a/a.go", `package a
func Used() {}
func Unused() {}
// Said is documented.
func Said() {}
type T struct{}
func (T) Do() {}
func (T) String() string { return "" }
func (t) Hidden() {}
// Kind names all three.
func (A) Kind() {}
func (B) Kind() {}
func (C) Kind() {}

func (D) Kind() {}
const (
	One = 1
	Two = 2 // documented behind
)
// Group of values.
const ( Three = 3 )
`)
	b := mustParse(t, "internal/b/b.go", `package b
import other "`+Module+`/internal/a"
func f(t other.T) { other.Used(); other.Said(); t.Do(); t.String(); t.Hidden(); t.Kind(); _ = other.One + other.Two + other.Three }
`)
	expect(t, checkDocs(a, usageOf([]source{a, b})), "Used", "T is used", "Do", "Kind", "One")
	expect(t, checkDocs(a, usageOf([]source{a})))
}

func TestCheckBudgets(t *testing.T) {
	body := func(n int) string { return "{\n" + strings.Repeat("\tf()\n", n-2) + "}\n" }
	short := mustParse(t, "internal/x/a.go", "package x\nfunc f() "+body(10))
	long := mustParse(t, "internal/x/b.go", "package x\n// g does it all.\nfunc g() "+body(71))
	excused := mustParse(t, "internal/x/c.go", "package x\n// h is a table. Long: the table is read as one.\nfunc h() "+body(90))
	huge := mustParse(t, "internal/x/d.go", "package x\n"+strings.Repeat("//\n", 800))
	test := mustParse(t, "internal/x/e_test.go", "package x\nfunc g() "+body(200))
	few := make([]source, 20)
	for i := range few {
		few[i] = short
	}
	expect(t, checkFunctions(append([]source{long, excused, test}, few...)), "g has 71 lines")
	expect(t, checkFunctions([]source{excused, excused, short}), "one function in ten has 90 lines")
	expect(t, checkFiles(append([]source{huge}, few...)), "d.go has 801 lines")
	expect(t, checkFiles([]source{huge}), "d.go has 801 lines", "one file in ten")
	if got := p90([]int{10, 9, 8, 7, 6, 5, 4, 3, 2, 1}); got != 9 {
		t.Errorf("p90 is %d", got)
	}
}

func TestCheckCode(t *testing.T) {
	const text = `package x
import ("time"; "testing"; "os")
func init() {}
func stop() { os.Exit(1) }
func now() time.Time { return time.Now() }
func age(a time.Time) time.Duration { return time.Since(a) }
type clock struct{}
func (clock) init() {}
func TestX(t *testing.T) { t.Skip("later") }
`
	expect(t, checkCode(mustParse(t, "internal/wallet/x.go", text)), "init runs", "os.Exit", "time.Now", "time.Since")
	expect(t, checkCode(mustParse(t, "internal/clock/x.go", text)), "init runs", "os.Exit")
	const watch = "package x\nimport \"time\"\nfunc f() { began := time.Now(); _ = time.Since(began); g(time.Now()); _ = time.Now().Unix() }\n"
	expect(t, checkCode(mustParse(t, "internal/server/bankd/x.go", watch)), ":3: time.Now", ":3: time.Now")
	expect(t, checkCode(mustParse(t, "internal/wallet/x_test.go", text)), "init runs", "skips itself")
}

func TestCheckText(t *testing.T) {
	mark := "TO" + "DO"
	expect(t, checkText("a.md", "fine\n"+mark+": later\nsee /"+"home/me/notes\nhttps://example.com/home/x and /etc/kozamori/bank.toml\nout=/"+"tmp/x.png"),
		"a.md:2", "a.md:3", "a.md:5")
}

func TestCheckDependencies(t *testing.T) {
	gomod := "module x\n\ngo 1.26.0\n\nrequire example.com/a v1.0.0\n\nrequire (\n\texample.com/b v1.2.3\n\texample.com/c v0.0.0-2026 // indirect\n)\n"
	row := func(mod, why string) string { return fmt.Sprintf("| `%s` | %s |\n", mod, why) }
	why := "because it does one thing that we must not write ourselves"
	expect(t, checkDependencies(gomod, row("example.com/a", why)+row("example.com/b", why)))
	expect(t, checkDependencies(gomod, row("example.com/a", "good")+row("example.com/b", why)+row("example.com/d", why)), "example.com/a: no reason", "example.com/d: in docs")
}

func TestDrawingAndLinks(t *testing.T) {
	doc := "text internal/not-drawn\n```text\ninternal/server/{walletd,hubd}  internal/{a,b}/c cmd/kozamori-{wallet,hub}\n    internal/wire.\n```\n[a](docs/a.md#part) [b](https://example.com) [c](b.md)\n"
	got := strings.Join(drawnFolders(doc), " ")
	want := "internal/server/walletd internal/server/hubd internal/a/c internal/b/c cmd/kozamori-wallet cmd/kozamori-hub internal/wire"
	if got != want {
		t.Errorf("drawn: %s", got)
	}
	if links := strings.Join(relativeLinks(doc), " "); links != "docs/a.md b.md" {
		t.Errorf("links: %s", links)
	}
}

func TestCheckPublicTexts(t *testing.T) {
	f := mustParse(t, "internal/x/x.go", `package x
import "`+Module+`/internal/fault"
var (
	good = fault.Text{JA: "見つかりません。", EN: "Not " + "found."}
	zero = fault.Text{}
	half = fault.Text{JA: "見つかりません。"}
	none = fault.Text{"", "Not found."}
	same = fault.Text{"Not found.", "Not found."}
	both = fault.Text{JA: "はい", EN: "はい"}
	any  = fault.Text{JA: ja(), EN: en()}
	e    = fault.Refuse("L19", "op", good)
	g    = fault.Refuse("M13", "op", good)
	h    = &fault.Error{Kind: fault.Refused, Rule: "limit"}
	k    = &fault.Error{Kind: fault.Refused, Rule: "D2"}
)
`)
	expect(t, checkPublicTexts(f), "lacks EN", "lacks JA", "not Japanese", "not English", `"L19" is no rule`, `"limit" is no rule`)
}

func TestCheckSQLAndPages(t *testing.T) {
	expect(t, checkSQL("a.sql", "SELECT a, COUNT(*) FROM t;\nselect * from t;\nSELECT t.* FROM t\nSELECT * FROM (SELECT a FROM t)"), "a.sql:2", "a.sql:3")
	expect(t, checkPage("a.html", `<script type="module" src="{{asset "x.js"}}"></script><a href="/x">`+"\n<script>x()</script>\n<p style=\"x\" onclick='y()'>\n<link href=\"https://cdn.example/x.css\">\n<img src='//x'>"),
		"a.html:2", "a.html:3", "a.html:3", "a.html:4", "a.html:5")
}

func TestCheckFloats(t *testing.T) {
	const text = "package x\nvar rate float64\n"
	expect(t, checkFloats(mustParse(t, "internal/ledger/x.go", text)), "float64 beside money")
	expect(t, checkFloats(mustParse(t, "internal/store/bank/x.go", text)), "float64 beside money")
	expect(t, checkFloats(mustParse(t, "internal/web/x.go", text)))
}

func TestMissingTests(t *testing.T) {
	f := mustParse(t, "internal/x/x_test.go", "package x\nfunc TestThere(t *testing.T) {}\n")
	expect(t, missingTests("see `TestThere` and `TestGone`, `TestGone` again, TestBare", []source{f}), "TestGone")
}

func TestCheckRules(t *testing.T) {
	files := []source{
		mustParse(t, "internal/bank/x.go", "package bank\nimport \""+Module+"/internal/fault\"\nvar limit = 3\nfunc (b *Bank) Debit() error { return fault.Refuse(\"M1\", \"op\", text) }\n"),
		mustParse(t, "internal/bank/x_test.go", "package bank\nvar expected = \"M3\"\n"),
	}
	texts := map[string]string{"internal/bank/x.go": "", "internal/bank/x.sql": ""}
	rules := map[string]string{}
	doc := func() string {
		var kept, later strings.Builder
		for letter, last := range lastRule {
			for n := 1; n <= last; n++ {
				id := fmt.Sprint(letter, n)
				switch line, special := rules[id]; {
				case special:
					kept.WriteString(line)
				case id == "M1":
					kept.WriteString("| M1 | Limits. | `bank/x.go: Debit, limit`, `bank/x.sql` | `TestLimits` |\n")
				default:
					later.WriteString("| " + id + " | Missing. | nothing | – |\n")
				}
			}
		}
		return kept.String() + rulesTitle + "\n" + later.String()
	}
	for _, c := range []struct{ id, line, finds string }{
		{"M2", "| M2 | Held. | `bank/x.go: Debit` | `TestX` |\n", ""},
		{"M2", "", "M2: has 0 lines"},
		{"M2", "| M2 | Twice. | `bank/x.go` | `TestX` |\n| M2 | Twice. | `bank/x.go` | `TestX` |\n", "M2: has 2 lines"},
		{"M2", "| M2 | Held. | in the bank | `TestX` |\n", "M2: docs/rules.md does not say where"},
		{"M2", "| M2 | Held. | `bank/x.go: Debit` | – |\n", "M2: docs/rules.md names no test"},
		{"M2", "| M2 | Held. | `bank/gone.go: Debit` | `TestX` |\n", "bank/gone.go, which does not exist"},
		{"M2", "| M2 | Held. | `bank/x.go: Debit, Gone` | `TestX` |\n", "names Gone in internal/bank/x.go"},
		{"M1", rulesTitle + "\n| M1 | Missing. | nothing | – |\n", "M1: refused by at internal/bank/x.go:4"},
	} {
		rules = map[string]string{c.id: c.line}
		if c.finds == "" {
			expect(t, checkRules(doc(), files, texts))
		} else {
			expect(t, checkRules(doc(), files, texts), c.finds)
		}
	}
}
