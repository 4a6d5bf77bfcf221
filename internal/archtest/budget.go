package archtest

import (
	"fmt"
	"go/ast"
	"slices"
	"strings"
)

// The budgets, in lines. What goes beyond them is split, or says why in its comment.
const (
	fileMax, fileP90         = 800, 400
	functionMax, functionP90 = 70, 45

	// longReason is the word with which the comment of a longer function gives its reason.
	longReason = "Long:"
)

// p90 is the value that nine of ten do not exceed.
func p90(lengths []int) int {
	if len(lengths) == 0 {
		return 0
	}
	slices.Sort(lengths)
	return lengths[(len(lengths)*9+9)/10-1]
}

// checkFiles names files over the budget. Tests count for the maximum only.
func checkFiles(files []source) []string {
	var found []string
	var lengths []int
	for _, f := range files {
		if !f.test {
			lengths = append(lengths, f.lines())
		}
		if f.lines() > fileMax {
			found = append(found, fmt.Sprintf("%s has %d lines, over %d", f.path, f.lines(), fileMax))
		}
	}
	if p := p90(lengths); p >= fileP90 {
		found = append(found, fmt.Sprintf("one file in ten has %d lines or more; the budget is under %d", p, fileP90))
	}
	return found
}

// checkFunctions names functions over the budget that give no reason. Tests are free: a table is long.
func checkFunctions(files []source) []string {
	var found []string
	var lengths []int
	for _, f := range files {
		if f.test || f.support() {
			continue
		}
		for _, decl := range f.file.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok {
				continue
			}
			n := f.line(fn.End()) - f.line(fn.Pos()) + 1
			lengths = append(lengths, n)
			if n > functionMax && !strings.Contains(fn.Doc.Text(), longReason) {
				found = append(found, fmt.Sprintf("%s: %s has %d lines, over %d, and gives no reason (%q)", f.path, fn.Name.Name, n, functionMax, longReason))
			}
		}
	}
	if p := p90(lengths); p >= functionP90 {
		found = append(found, fmt.Sprintf("one function in ten has %d lines or more; the budget is under %d", p, functionP90))
	}
	return found
}
