package archtest

import (
	"fmt"
	"go/ast"
	"go/token"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// ruleID is the form of a rule's id; the last rule of each letter is in lastRule.
var ruleID = regexp.MustCompile(`^([LMDR])([1-9][0-9]?)$`)

// lastRule is the number of rules of each kind: linking, money, depositor, detection.
var lastRule = map[string]int{"L": 18, "M": 13, "D": 8, "R": 11}

// isRule says whether a rule of this id exists.
func isRule(id string) bool {
	m := ruleID.FindStringSubmatch(id)
	if m == nil {
		return false
	}
	n, err := strconv.Atoi(m[2])
	return err == nil && n <= lastRule[m[1]]
}

// checkPublicTexts names sentences for people that lack a language, and refusals that name no rule there is.
func checkPublicTexts(f source) []string {
	var found []string
	imports := f.importNames()
	fault := func(e ast.Expr, name string) bool {
		sel, ok := e.(*ast.SelectorExpr)
		if !ok || sel.Sel.Name != name {
			return false
		}
		of, ok := sel.X.(*ast.Ident)
		return ok && imports[of.Name] == Module+"/internal/fault"
	}
	ast.Inspect(f.file, func(n ast.Node) bool {
		switch x := n.(type) {
		case *ast.CompositeLit:
			if fault(x.Type, "Text") {
				for _, wrong := range wrongText(x) {
					found = append(found, fmt.Sprintf("%s:%d: %s", f.path, f.line(x.Pos()), wrong))
				}
			}
			if fault(x.Type, "Error") {
				for _, e := range x.Elts {
					kv, ok := e.(*ast.KeyValueExpr)
					if !ok {
						continue
					}
					if key, ok := kv.Key.(*ast.Ident); ok && key.Name == "Rule" {
						found = append(found, wrongRule(f, kv.Value)...)
					}
				}
			}
		case *ast.CallExpr:
			if fault(x.Fun, "Refuse") && len(x.Args) > 0 {
				found = append(found, wrongRule(f, x.Args[0])...)
			}
		}
		return true
	})
	return found
}

// wrongRule reports a literal that is no rule's id; "" says that none refuses (a balance too small).
func wrongRule(f source, e ast.Expr) []string {
	if id, ok := literal(e); ok && id != "" && !isRule(id) {
		return []string{fmt.Sprintf("%s:%d: %q is no rule's id", f.path, f.line(e.Pos()), id)}
	}
	return nil
}

// wrongText says what is wrong with a fault.Text whose fields are literals.
func wrongText(x *ast.CompositeLit) []string {
	if len(x.Elts) == 0 {
		return nil // the zero value: the kind's own sentence is used
	}
	fields := map[string]ast.Expr{}
	for i, e := range x.Elts {
		switch kv, ok := e.(*ast.KeyValueExpr); {
		case ok:
			if key, ok := kv.Key.(*ast.Ident); ok {
				fields[key.Name] = kv.Value
			}
		case i < 2:
			fields[[]string{"JA", "EN"}[i]] = e
		}
	}
	var wrong []string
	for _, lang := range []string{"JA", "EN"} {
		e, given := fields[lang]
		text, isLiteral := literal(e)
		switch {
		case !given || isLiteral && text == "":
			wrong = append(wrong, "a text for people lacks "+lang)
		case isLiteral && lang == "JA" && !isJapanese(text):
			wrong = append(wrong, fmt.Sprintf("the Japanese text is not Japanese: %.40q", text))
		case isLiteral && lang == "EN" && strings.IndexFunc(text, func(r rune) bool { return unicode.Is(unicode.Hiragana, r) }) >= 0:
			wrong = append(wrong, fmt.Sprintf("the English text is not English: %.40q", text))
		}
	}
	return wrong
}

// isJapanese says whether a sentence holds any kana or kanji.
func isJapanese(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return unicode.In(r, unicode.Hiragana, unicode.Katakana, unicode.Han) }) >= 0
}

// literal is the value of a string literal, or of literals joined with +.
func literal(e ast.Expr) (string, bool) {
	switch x := e.(type) {
	case *ast.BasicLit:
		s, err := strconv.Unquote(x.Value)
		return s, err == nil && x.Kind == token.STRING
	case *ast.BinaryExpr:
		a, okA := literal(x.X)
		b, okB := literal(x.Y)
		return a + b, okA && okB
	}
	return "", false
}

// Things that no statement, page or rule may hold.
var (
	selectStar   = regexp.MustCompile(`(?i)\bselect\s+(?:\w+\.)?\*(?:\s+from\s*[^\s(]|\s*$|\s*,)`)
	inlineScript = regexp.MustCompile(`(?i)<script(?:\s[^>]*)?>|<style\b|\s(?:style|on[a-z]+)\s*=\s*["']|(?:src|href)\s*=\s*["'](?:https?:)?//`)
)

// checkSQL names queries that take whatever columns there are.
func checkSQL(path, text string) []string {
	var found []string
	for i, line := range strings.Split(text, "\n") {
		if selectStar.MatchString(line) {
			found = append(found, fmt.Sprintf("%s:%d: columns are named, never *", path, i+1))
		}
	}
	return found
}

// checkPage names what the content security policy would block: inline script and style, and anything
// fetched from elsewhere.
func checkPage(path, text string) []string {
	var found []string
	for i, line := range strings.Split(text, "\n") {
		for _, m := range inlineScript.FindAllString(line, -1) {
			if strings.HasPrefix(strings.ToLower(m), "<script") && strings.Contains(m, "src=") {
				continue
			}
			found = append(found, fmt.Sprintf("%s:%d: inline or foreign: %s", path, i+1, strings.TrimSpace(m)))
		}
	}
	return found
}

// exact are the folders in which amounts live; a float there is a mistake.
// (wire's are money.Yen, whose decoder refuses fractions; it reads times of RFC 7519, which may have one.)
const exact = "money ledger wallet bank hub outbox store/* audit"

// checkFloats names floating point in folders that hold amounts.
func checkFloats(f source) []string {
	var found []string
	if f.test || !matches(exact, f.folder) {
		return nil
	}
	ast.Inspect(f.file, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok && (id.Name == "float64" || id.Name == "float32") {
			found = append(found, fmt.Sprintf("%s:%d: %s beside money", f.path, f.line(id.Pos()), id.Name))
		}
		return true
	})
	return found
}

// testName is a test as documents name it.
var testName = regexp.MustCompile("`(Test[A-Z][A-Za-z0-9_]*)`")

// missingTests lists the tests that a document names and the tree lacks.
func missingTests(doc string, files []source) []string {
	have := map[string]bool{}
	for _, f := range files {
		for _, decl := range f.file.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && f.test {
				have[fn.Name.Name] = true
			}
		}
	}
	var missing []string
	for _, m := range testName.FindAllStringSubmatch(doc, -1) {
		if !have[m[1]] && !slices.Contains(missing, m[1]) {
			missing = append(missing, m[1])
		}
	}
	return missing
}
