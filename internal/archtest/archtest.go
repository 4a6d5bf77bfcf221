// Package archtest holds the repository to its habits: which package may import which, what a role's program
// may carry, how long a file may grow, what must be said in words. A rule without a checker drifts; each
// checker here is shown to find a breach before it is trusted with the tree.
package archtest

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// Module is the import path of the repository's module.
const Module = "github.com/kozamori/kozamori"

// groups name several folders of internal at once.
var groups = map[string]string{
	"words": "money fault id kana clock",
	"rules": "ledger outbox risk identity zengin",
	"sql":   "store/sqldb store/ledgersql store/outboxsql store/sessionsql store/rolesql",
	// what a role's server is made of, apart from the role's own rules and store
	"serving": "server wire web observe config notify keyfile sql",
}

// may lists, for each folder of internal, which others it may import directly: folders, or groups. A folder
// that is missing here fails the test: add it, with a reason, in review. Arrows point towards words; a role
// never imports another role.
var may = map[string]string{
	"money": "", "fault": "", "id": "", "kana": "", "clock": "",

	"zengin": "words", "ledger": "words", "outbox": "words", "risk": "words", "identity": "words",
	"incident": "words ledger",

	// The rules of a role sign and judge messages, so they know wire's types; observe is for its Secret.
	"wallet": "words rules wire observe",
	"bank":   "words rules wire observe",
	"hub":    "words rules wire observe",

	"store/sqldb":      "words",
	"store/ledgersql":  "words ledger store/sqldb",
	"store/outboxsql":  "words outbox store/sqldb",
	"store/rolesql":    "words ledger outbox store/sqldb store/ledgersql store/outboxsql",
	"store/sessionsql": "words store/sqldb",
	"store/wallet":     "words rules sql wire wallet",
	"store/bank":       "words rules sql wire bank",
	"store/hub":        "words rules sql wire hub",
	"store/storetest":  "words rules",
	"store/pgtest":     "store/sqldb", // a server for tests
	"store/faultfs":    "",            // a disk that loses power, under SQLite, for tests

	"wire":          "words",
	"wire/wiretest": "words wire",
	"keyfile":       "words wire",
	"observe":       "words",
	"config":        "words observe",
	"notify":        "words observe",
	"web":           "words observe",
	"server":        "words observe wire",
	"program":       "words config keyfile observe server wire store/sqldb", // what the three programs' mains share; sqldb says what `migrate` applied

	"server/walletd": "words rules serving wallet store/wallet",
	"server/bankd":   "words rules serving bank store/bank",
	"server/hubd":    "words rules serving hub store/hub",

	// The audit recomputes with code and SQL of its own: it may not see the rules, a role or its store.
	"audit": "words wire keyfile store/sqldb",
	// These see the roles from outside, over HTTP only.
	"journey": "words wire observe", "lab": "words wire",
	// bench measures the ledger in process, and the roles over HTTP.
	"bench": "words wire ledger store/sqldb store/ledgersql",
	// dev runs the real roles in one process; sim drives them step by step, and asks the audit in the end.
	"dev": "words rules serving program audit journey wallet bank hub store/wallet store/bank store/hub server/walletd server/bankd server/hubd",
	"sim": "words rules serving audit wallet bank hub server/walletd server/bankd server/hubd",

	"archtest": "",
	// Nothing but tests, which may see everything.
	"breaktest": "", "browsertest": "",

	"docs/config": "", // the annotated examples, embedded
}

// programs lists what each folder of cmd may import.
var programs = map[string]string{
	"kozamori":        "*",
	"kozamori-wallet": "words program config observe keyfile docs/config server server/walletd",
	"kozamori-bank":   "words program config observe keyfile docs/config server server/bankd",
	"kozamori-hub":    "words program config observe keyfile docs/config server server/hubd",
	"zengin-import":   "",
}

// only lists outside packages that a part of the tree may touch and nothing else may: patterns of folders
// of internal, or cmd/* for programs. Tests are free.
var only = map[string]string{
	"database/sql":       "store/* audit",
	"modernc.org/sqlite": "store/sqldb audit store/faultfs sim", // sim ends a process around its commits
	"modernc.org/libc":   "store/faultfs",                       // C's memory and calls, to stand between SQLite and the system's files
	"html/template":      "web server/*",
	"net/http":           "web wire wire/* observe server server/* notify program bench lab sim journey dev cmd/*",
	"os":                 "config keyfile program dev audit sim bench server/bankd store/sqldb store/pgtest store/storetest cmd/*", // bench asks the disk alone, bankd makes a folder for each bank, sim one for each story, sqldb private files, the audit looks what it may read, storetest kills a child of itself
	"os/exec":            "dev store/pgtest store/storetest cmd/*",
	"log":                "", // log/slog, through observe
	"math/rand":          "sim lab bench store/storetest",
	"math/rand/v2":       "sim lab bench store/storetest store/faultfs",
	"unsafe":             "store/faultfs", // SQLite's file systems are C structures
	"testing":            "wire/wiretest store/storetest store/pgtest",

	"github.com/chromedp/chromedp":                          "",
	"github.com/descope/virtualwebauthn":                    "wire/wiretest journey dev lab",
	"github.com/emersion/go-smtp":                           "dev",
	"github.com/go-jose/go-jose/v4":                         "wire keyfile",
	"github.com/go-webauthn/webauthn":                       "wire wallet bank web server/*",
	"github.com/jackc/pgx/v5":                               "store/sqldb store/ledgersql", // the ledger sends its statements together
	"github.com/pressly/goose/v3":                           "store/sqldb",
	"github.com/danielgtaylor/huma/v2":                      "web server/*",
	"github.com/prometheus/client_golang":                   "observe server/*",
	"github.com/pelletier/go-toml/v2":                       "config dev",
	"github.com/wneessen/go-mail":                           "notify",
	"github.com/anishathalye/porcupine":                     "store/storetest",
	"github.com/alexedwards/scs/v2":                         "web server/* store/sessionsql dev",
	"github.com/rogpeppe/go-internal":                       "",
	"pgregory.net/rapid":                                    "store/storetest",
	"github.com/swaggest/swgui":                             "web",
	"github.com/boombuler/barcode":                          "web",
	"rsc.io/qr":                                             "web",
	"golang.org/x/time":                                     "web",
	"github.com/google/go-cmp":                              "store/storetest",
	"go.uber.org/goleak":                                    "",
	"golang.org/x/crypto/bcrypt":                            "web server/* dev program",
	"golang.org/x/sys":                                      "program", // a terminal that shows nothing
	"github.com/go-webauthn/webauthn/protocol/webauthncose": "wire wallet bank",
}

// clocks lists who may read the machine's clock; everybody else is handed times. Those of stopwatches may
// only take how long something lasted: keep time.Now() in a variable, or call time.Since.
const (
	clocks      = "clock program journey bench lab store/storetest cmd/*"
	stopwatches = "server/* observe dev web notify wire"
)

// expand turns folders and groups into folders.
func expand(list string) []string {
	var out []string
	for _, f := range strings.Fields(list) {
		if g, ok := groups[f]; ok {
			out = append(out, expand(g)...)
			continue
		}
		out = append(out, f)
	}
	return out
}

// folder is where a package of ours lies: "wire" for internal/wire, "cmd/kozamori" for a program.
func folder(importPath string) string {
	dir := strings.TrimPrefix(strings.TrimPrefix(importPath, Module), "/")
	return strings.TrimPrefix(dir, "internal/")
}

// checkImports names every import of a package that the tables do not allow.
func checkImports(importPath string, imports []string) []string {
	dir := folder(importPath)
	list, known := may[dir]
	if name, ok := strings.CutPrefix(dir, "cmd/"); ok {
		list, known = programs[name]
	}
	if !known {
		return []string{fmt.Sprintf("%s: not in the table of imports; add it with a reason", dir)}
	}
	var found []string
	allowed := expand(list)
	for _, imp := range imports {
		if strings.HasPrefix(imp, Module+"/") {
			if list != "*" && !slices.Contains(allowed, folder(imp)) {
				found = append(found, fmt.Sprintf("%s must not import %s", dir, folder(imp)))
			}
			continue
		}
		if where, limited := limitOf(imp); limited && !matches(where, dir) {
			found = append(found, fmt.Sprintf("%s must not import %s (only %q may)", dir, imp, where))
		}
	}
	return found
}

// limitOf finds the narrowest entry of only that covers an import.
func limitOf(imp string) (string, bool) {
	best, where := "", ""
	for p, w := range only {
		if (imp == p || strings.HasPrefix(imp, p+"/") && strings.Contains(p, ".")) && len(p) > len(best) {
			best, where = p, w
		}
	}
	return where, best != ""
}

// matches says whether a folder fits one of the patterns.
func matches(patterns, dir string) bool {
	return slices.ContainsFunc(strings.Fields(patterns), func(p string) bool {
		ok, _ := path.Match(p, dir)
		return ok
	})
}

// roles are the programs that a company runs, by the word in their folders' names.
var roles = []string{"wallet", "hub", "bank"}

// foreign are folders and modules that no role's program may carry, however indirectly.
var foreign = []string{
	"internal/dev", "internal/journey", "internal/audit", "internal/lab", "internal/bench", "internal/sim", "internal/archtest",
	"internal/wire/wiretest", "internal/store/storetest", "internal/store/pgtest", "internal/store/faultfs", "cmd/",
}

// foreignModules are test tools and servers for tests.
var foreignModules = []string{
	"testing", "github.com/chromedp/", "github.com/descope/virtualwebauthn", "github.com/emersion/go-smtp", "pgregory.net/rapid",
	"github.com/anishathalye/porcupine", "github.com/google/go-cmp", "go.uber.org/goleak", "github.com/rogpeppe/go-internal",
}

// checkClosure names everything that the program of a role carries and must not.
func checkClosure(role string, deps []string) []string {
	var found []string
	for _, dep := range deps {
		dir, ours := strings.CutPrefix(dep, Module+"/")
		bad := false
		if ours {
			bad = slices.ContainsFunc(foreign, func(p string) bool { return dir == p || strings.HasPrefix(dir, p) })
			for _, other := range roles {
				mine := []string{"internal/" + other, "internal/server/" + other + "d", "internal/store/" + other}
				bad = bad || other != role && slices.Contains(mine, dir)
			}
		} else {
			bad = slices.ContainsFunc(foreignModules, func(p string) bool {
				return dep == p || strings.HasSuffix(p, "/") && strings.HasPrefix(dep, p) || strings.HasPrefix(dep, p+"/")
			})
		}
		if bad {
			found = append(found, fmt.Sprintf("kozamori-%s carries %s", role, dep))
		}
	}
	return found
}
