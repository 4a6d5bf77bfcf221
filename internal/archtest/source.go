package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
)

// source is one parsed Go file.
type source struct {
	path   string // from the root, with slashes: "internal/money/money.go"
	folder string // of internal, or cmd/name
	test   bool
	text   string
	file   *ast.File
	set    *token.FileSet
}

// parse reads one Go file.
func parse(path, text string) (source, error) {
	s := source{path: path, text: text, test: strings.HasSuffix(path, "_test.go"), set: token.NewFileSet()}
	dir := path[:max(strings.LastIndexByte(path, '/'), 0)]
	s.folder = strings.TrimPrefix(dir, "internal/")
	var err error
	s.file, err = parser.ParseFile(s.set, path, text, parser.ParseComments|parser.SkipObjectResolution)
	return s, err
}

// support says whether the file, though no test file, is there for tests only.
func (s source) support() bool {
	return matches("store/storetest store/pgtest wire/wiretest", s.folder)
}

// lines is the length of the file.
func (s source) lines() int { return strings.Count(s.text, "\n") }

// line is where something stands.
func (s source) line(p token.Pos) int { return s.set.Position(p).Line }

// importNames maps the names under which the file uses packages to their import paths.
func (s source) importNames() map[string]string {
	names := make(map[string]string)
	for _, imp := range s.file.Imports {
		path := strings.Trim(imp.Path.Value, `"`)
		name := path[strings.LastIndexByte(path, '/')+1:]
		if imp.Name != nil {
			name = imp.Name.Name
		}
		names[name] = path
	}
	return names
}
