package archtest

import (
	"fmt"
	"go/ast"
	"regexp"
	"strings"
)

// ruleLine is a line of docs/rules.md: four cells, the first a rule's id.
var ruleLine = regexp.MustCompile(`(?m)^\| ([LMDR]\d+) \| (.+) \| (.+) \| (.+) \|$`)

// place is where a rule is decided, as docs/rules.md writes it: a file below internal and, for Go, what it declares.
var place = regexp.MustCompile("`([a-z][a-zA-Z0-9_/]*\\.(?:go|sql))(?:: ([A-Za-z0-9_, ]+))?`")

// rulesTitle begins the second table: what nobody should take for built.
const rulesTitle = "## Not built yet"

// checkRules holds docs/rules.md to the code, both ways: one line for each rule there is, a place for each rule that
// the code refuses by, places that exist, tests for what is kept. (That the tests exist, every document's check says.)
func checkRules(doc string, files []source, texts map[string]string) []string {
	var found []string
	later := strings.Index(doc, rulesTitle)
	places := map[string]int{}
	lines := map[string]int{}
	for _, at := range ruleLine.FindAllStringSubmatchIndex(doc, -1) {
		cell := func(n int) string { return doc[at[2*n]:at[2*n+1]] }
		id, kept := cell(1), later < 0 || at[0] < later
		lines[id]++
		named := place.FindAllStringSubmatch(cell(3), -1)
		places[id] = len(named)
		for _, p := range named {
			found = append(found, missingIn(id, "internal/"+p[1], p[2], files, texts)...)
		}
		if kept && len(named) == 0 {
			found = append(found, id+": docs/rules.md does not say where it is decided")
		}
		if (kept || len(named) > 0) && !testName.MatchString(cell(4)) {
			found = append(found, id+": docs/rules.md names no test that fails without it")
		}
	}
	for letter, last := range lastRule {
		for n := 1; n <= last; n++ {
			if id := fmt.Sprint(letter, n); lines[id] != 1 {
				found = append(found, fmt.Sprintf("%s: has %d lines in docs/rules.md", id, lines[id]))
			}
		}
	}
	for id, where := range refusedBy(files) {
		if places[id] == 0 {
			found = append(found, fmt.Sprintf("%s: refused by at %s, and docs/rules.md names no place", id, where))
		}
	}
	return found
}

// missingIn says what of a place is not there.
func missingIn(id, file, names string, files []source, texts map[string]string) []string {
	if _, there := texts[file]; !there {
		return []string{fmt.Sprintf("%s: docs/rules.md names %s, which does not exist", id, file)}
	}
	declared := map[string]bool{}
	for _, f := range files {
		if f.path == file {
			declared = declares(f.file)
		}
	}
	var found []string
	for _, name := range strings.FieldsFunc(names, func(r rune) bool { return r == ',' || r == ' ' }) {
		if !declared[name] {
			found = append(found, fmt.Sprintf("%s: docs/rules.md names %s in %s, which declares no such thing", id, name, file))
		}
	}
	return found
}

// declares lists the functions, methods, types and values of a file.
func declares(f *ast.File) map[string]bool {
	names := map[string]bool{}
	for _, decl := range f.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			names[d.Name.Name] = true
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				switch s := spec.(type) {
				case *ast.TypeSpec:
					names[s.Name.Name] = true
				case *ast.ValueSpec:
					for _, n := range s.Names {
						names[n.Name] = true
					}
				}
			}
		}
	}
	return names
}

// refusedBy maps the ids that stand as texts in the code, which is how it refuses by a rule, to one place each.
func refusedBy(files []source) map[string]string {
	ids := map[string]string{}
	for _, f := range files {
		if f.test || f.support() || f.folder == "archtest" {
			continue
		}
		ast.Inspect(f.file, func(n ast.Node) bool {
			if e, ok := n.(*ast.BasicLit); ok {
				if id, ok := literal(e); ok && isRule(id) {
					ids[id] = fmt.Sprintf("%s:%d", f.path, f.line(e.Pos()))
				}
			}
			return true
		})
	}
	return ids
}
