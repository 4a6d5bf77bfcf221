package archtest

import (
	"fmt"
	"go/ast"
	"regexp"
	"strings"
)

// checkCode names habits we do not have: init functions, the machine's clock outside its owners, a program
// ended from anywhere but main, tests that skip themselves.
func checkCode(f source) []string {
	var found []string
	imports := f.importNames()
	kept := map[ast.Expr]bool{} // calls whose result a variable keeps
	ast.Inspect(f.file, func(n ast.Node) bool {
		switch x := n.(type) {
		case *ast.AssignStmt:
			for _, e := range x.Rhs {
				if call, ok := e.(*ast.CallExpr); ok {
					kept[call.Fun] = true
				}
			}
		case *ast.FuncDecl:
			if x.Recv == nil && x.Name.Name == "init" {
				found = append(found, fmt.Sprintf("%s:%d: init runs before anybody asked", f.path, f.line(x.Pos())))
			}
		case *ast.SelectorExpr:
			of, ok := x.X.(*ast.Ident)
			if !ok {
				return true
			}
			clock := imports[of.Name] == "time" && (x.Sel.Name == "Now" || x.Sel.Name == "Since" || x.Sel.Name == "Until")
			lasted := matches(stopwatches, f.folder) && (kept[x] || x.Sel.Name == "Since")
			if clock && !f.test && !lasted && !matches(clocks, f.folder) {
				found = append(found, fmt.Sprintf("%s:%d: time.%s; times are handed in (clock.Now)", f.path, f.line(x.Pos()), x.Sel.Name))
			}
			exit := imports[of.Name] == "os" && x.Sel.Name == "Exit"
			if exit && f.file.Name.Name != "main" && !f.test {
				found = append(found, fmt.Sprintf("%s:%d: os.Exit outside main", f.path, f.line(x.Pos())))
			}
			if f.test && of.Name == "t" && strings.HasPrefix(x.Sel.Name, "Skip") {
				found = append(found, fmt.Sprintf("%s:%d: a test that skips itself proves nothing", f.path, f.line(x.Pos())))
			}
		}
		return true
	})
	return found
}

// The words are put together here so that this file does not hold them itself.
var (
	unfinished  = regexp.MustCompile(`\b(` + strings.Join([]string{"TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"}, "|") + `)\b`)
	machinePath = regexp.MustCompile("(^|[\\s\"'`=(:,\\[])/(" + strings.Join([]string{"work", "root", "home", "Users", "mnt", "tmp"}, "|") + `)/[\w.]`)
)

// checkText names unfinished work and paths of somebody's machine in any text file.
func checkText(path, text string) []string {
	var found []string
	for i, line := range strings.Split(text, "\n") {
		if m := unfinished.FindString(line); m != "" {
			found = append(found, fmt.Sprintf("%s:%d: %s: finish it or file an issue", path, i+1, m))
		}
		if m := machinePath.FindString(line); m != "" {
			found = append(found, fmt.Sprintf("%s:%d: a path of somebody's machine: %.60s", path, i+1, strings.TrimSpace(line)))
		}
	}
	return found
}

// directDependencies lists the modules that go.mod requires directly.
func directDependencies(gomod string) []string {
	var mods []string
	for _, line := range strings.Split(gomod, "\n") {
		line = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(line), "require "))
		mod, version, ok := strings.Cut(line, " ")
		if ok && strings.HasPrefix(version, "v") && !strings.Contains(version, "// indirect") {
			mods = append(mods, mod)
		}
	}
	return mods
}

// dependencyRow is a row of docs/dependencies.md: the module in code marks, then why.
var dependencyRow = regexp.MustCompile("(?m)^\\| `([^`]+)` \\| (.+) \\|$")

// checkDependencies compares go.mod with the reasons given, both ways.
func checkDependencies(gomod, doc string) []string {
	var found []string
	reasons := map[string]string{}
	for _, m := range dependencyRow.FindAllStringSubmatch(doc, -1) {
		reasons[m[1]] = m[2]
	}
	for _, mod := range directDependencies(gomod) {
		if len(reasons[mod]) < 30 {
			found = append(found, mod+": no reason in docs/dependencies.md")
		}
		delete(reasons, mod)
	}
	for mod := range reasons {
		found = append(found, mod+": in docs/dependencies.md, but no direct dependency")
	}
	return found
}

// Parts of a Markdown file.
var (
	fence       = regexp.MustCompile("(?ms)^```[a-z]*\n(.*?)^```")
	folderNames = regexp.MustCompile(`\b(?:cmd|internal)/[a-z0-9_{},/-]*[a-z0-9_}]`)
	link        = regexp.MustCompile(`\]\(([^)\s#]+)(?:#[^)]*)?\)`)
)

// drawnFolders lists the folders that the drawings (fenced blocks) of a document name; {a,b} is spelt out.
func drawnFolders(doc string) []string {
	var out []string
	for _, block := range fence.FindAllStringSubmatch(doc, -1) {
		for _, name := range folderNames.FindAllString(block[1], -1) {
			out = append(out, spellOut(name)...)
		}
	}
	return out
}

// spellOut turns server/{walletd,hubd} into both.
func spellOut(name string) []string {
	before, rest, ok := strings.Cut(name, "{")
	if !ok {
		return []string{name}
	}
	list, after, ok := strings.Cut(rest, "}")
	if !ok {
		return []string{name}
	}
	var out []string
	for _, item := range strings.Split(list, ",") {
		out = append(out, spellOut(before+item+after)...)
	}
	return out
}

// relativeLinks lists the files that a document links to within the repository.
func relativeLinks(doc string) []string {
	var out []string
	for _, m := range link.FindAllStringSubmatch(fence.ReplaceAllString(doc, ""), -1) {
		if !strings.Contains(m[1], ":") {
			out = append(out, m[1])
		}
	}
	return out
}
