package archtest

import (
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestImports(t *testing.T) {
	for _, p := range load(t).packages {
		if len(p.GoFiles) > 0 {
			report(t, checkImports(p.ImportPath, p.Imports))
		}
	}
}

// A bank's auditor installs no wallet and no lab: each program carries one role and nothing for tests.
func TestClosureOfEachProgram(t *testing.T) {
	for _, p := range load(t).packages {
		if role, ok := strings.CutPrefix(folder(p.ImportPath), "cmd/kozamori-"); ok && slices.Contains(roles, role) {
			report(t, checkClosure(role, p.Deps))
		}
	}
}

func TestPackageComments(t *testing.T) {
	r := load(t)
	byFolder := map[string][]source{}
	for _, f := range r.files {
		byFolder[f.folder] = append(byFolder[f.folder], f)
	}
	for _, p := range r.packages {
		if len(p.GoFiles) > 0 {
			dir := folder(p.ImportPath)
			report(t, checkPackageComment(dir, p.Name, byFolder[dir]))
		}
	}
}

func TestWhatOthersUseIsDocumented(t *testing.T) {
	r := load(t)
	u := usageOf(r.files)
	for _, f := range r.files {
		if !f.test {
			report(t, checkDocs(f, u))
		}
	}
}

func TestBudgets(t *testing.T) {
	r := load(t)
	report(t, checkFiles(r.files))
	report(t, checkFunctions(r.files))
}

func TestCodeHabits(t *testing.T) {
	for _, f := range load(t).files {
		report(t, checkCode(f))
	}
}

func TestTextHabits(t *testing.T) {
	for p, text := range load(t).texts {
		if !strings.HasSuffix(p, "go.sum") && !strings.HasSuffix(p, "package-lock.json") {
			report(t, checkText(p, text))
		}
	}
}

func TestDependenciesHaveReasons(t *testing.T) {
	r := load(t)
	report(t, checkDependencies(r.texts["go.mod"], r.texts["docs/dependencies.md"]))
}

// The drawing of the whole names only what is there.
func TestDrawingIsTrue(t *testing.T) {
	r := load(t)
	doc, written := r.texts["ARCHITECTURE.md"]
	if !written {
		return
	}
	folders := map[string]bool{}
	for p := range r.texts {
		for dir := path.Dir(p); dir != "."; dir = path.Dir(dir) {
			folders[dir] = true
		}
	}
	drawn := drawnFolders(doc)
	if len(drawn) < 5 {
		t.Errorf("the fenced drawings of ARCHITECTURE.md name only %d folders", len(drawn))
	}
	for _, d := range drawn {
		if !folders[d] {
			t.Errorf("ARCHITECTURE.md draws %s, which does not exist", d)
		}
	}
}

func TestLinksLeadSomewhere(t *testing.T) {
	r := load(t)
	for p, text := range r.texts {
		if !strings.HasSuffix(p, ".md") {
			continue
		}
		for _, to := range relativeLinks(text) {
			target := path.Join(path.Dir(p), to)
			_, isFile := r.texts[target]
			isFolder := slices.ContainsFunc(keys(r.texts), func(k string) bool { return strings.HasPrefix(k, target+"/") })
			isPicture := regexp.MustCompile(`\.(png|jpe?g|gif|webp)$`).MatchString(to)
			if !isFile && !isFolder && !isPicture {
				t.Errorf("%s links to %s, which does not exist", p, to)
			}
		}
	}
}

func keys(m map[string]string) []string {
	var list []string
	for k := range m {
		list = append(list, k)
	}
	return list
}

// Decisions are short numbered records without gaps, each with what was chosen and why.
func TestDecisionsAreNumbered(t *testing.T) {
	r := load(t)
	var found []string
	for p, text := range r.texts {
		name, ok := strings.CutPrefix(p, "docs/decisions/")
		if !ok || name == "README.md" {
			continue
		}
		if !regexp.MustCompile(`^\d{4}-[a-z0-9-]+\.md$`).MatchString(name) {
			t.Errorf("%s: not named NNNN-name.md", p)
			continue
		}
		found = append(found, name[:4])
		for _, heading := range []string{"## Context", "## Choice"} {
			if !strings.Contains(text, heading) {
				t.Errorf("%s lacks %q", p, heading)
			}
		}
	}
	slices.Sort(found)
	if len(slices.Compact(slices.Clone(found))) != len(found) {
		t.Errorf("two decisions have one number: %v", found)
	}
}

func TestLicences(t *testing.T) {
	r := load(t)
	if text := r.texts["LICENSE"]; !strings.Contains(text, "Apache License") || !strings.Contains(text, "Version 2.0, January 2004") || !strings.Contains(text, "END OF TERMS AND CONDITIONS") {
		t.Error("LICENSE is not the whole Apache License 2.0")
	}
	mit := r.texts["internal/zengin/data/LICENSE.zengin-code.txt"]
	if !strings.Contains(mit, "Sho Kusano") || !strings.Contains(mit, "MIT") {
		t.Error("the notice of zengin-code does not lie beside its data")
	}
	if !strings.Contains(strings.Join(strings.Fields(r.texts["NOTICE"]), " "), strings.Join(strings.Fields(mit), " ")) {
		t.Error("NOTICE lacks the notice of zengin-code")
	}
}

// Japanese first, English beside it, and a refusal names a rule that exists.
func TestTextsForPeople(t *testing.T) {
	for _, f := range load(t).files {
		if !f.test {
			report(t, checkPublicTexts(f))
		}
	}
}

func TestAmountsAreNeverFloats(t *testing.T) {
	for _, f := range load(t).files {
		report(t, checkFloats(f))
	}
}

func TestQueriesNameTheirColumns(t *testing.T) {
	for p, text := range load(t).texts {
		if strings.HasSuffix(p, ".sql") || strings.HasSuffix(p, ".go") && !strings.HasPrefix(p, "internal/archtest/") {
			report(t, checkSQL(p, text))
		}
	}
}

func TestPagesHoldNothingInline(t *testing.T) {
	for p, text := range load(t).texts {
		if strings.HasSuffix(p, ".html") && !strings.Contains(p, "/testdata/") {
			report(t, checkPage(p, text))
		}
	}
}

// A document that points to a test as proof points to one that exists.
func TestDocumentsNameRealTests(t *testing.T) {
	r := load(t)
	for p, text := range r.texts {
		if strings.HasSuffix(p, ".md") {
			for _, name := range missingTests(text, r.files) {
				t.Errorf("%s names %s, which does not exist", p, name)
			}
		}
	}
}

// Whoever reads a rule's id finds what it says, where it is decided and what proves it; nothing is taken for built
// that is not.
func TestRulesAreWrittenDown(t *testing.T) {
	r := load(t)
	report(t, checkRules(r.texts["docs/rules.md"], r.files, r.texts))
}
