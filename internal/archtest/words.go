package archtest

import (
	"fmt"
	"go/ast"
	"go/token"
	"strings"
)

// checkPackageComment says what is missing in the words of a package: its comment begins "Package name …",
// or "Command name …" for a program, and goes on.
func checkPackageComment(dir, name string, files []source) []string {
	want := "Package " + name + " "
	if name == "main" {
		want = "Command " + dir[strings.LastIndexByte(dir, '/')+1:] + " "
	}
	var docs []string
	for _, f := range files {
		if !f.test && f.file.Doc != nil {
			docs = append(docs, f.file.Doc.Text())
		}
	}
	switch {
	case len(docs) == 0:
		return []string{dir + ": no package comment"}
	case len(docs) > 1:
		return []string{fmt.Sprintf("%s: %d package comments; one file says it", dir, len(docs))}
	case !strings.HasPrefix(docs[0], want) || len(docs[0]) < len(want)+20:
		return []string{fmt.Sprintf("%s: the package comment does not begin %q and say something: %.60q", dir, want, docs[0])}
	}
	return nil
}

// usage is what packages use of each other: names of packages of ours by folder, and names of methods and
// fields, of which a parser cannot tell whose they are.
type usage struct {
	names   map[string]map[string]bool // folder, exported name
	members map[string]map[string]bool // name of a member, folders that use it
}

// usageOf collects what all files use.
func usageOf(files []source) usage {
	u := usage{names: map[string]map[string]bool{}, members: map[string]map[string]bool{}}
	add := func(m map[string]map[string]bool, a, b string) {
		if m[a] == nil {
			m[a] = map[string]bool{}
		}
		m[a][b] = true
	}
	for _, f := range files {
		imports := f.importNames()
		ast.Inspect(f.file, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if x, ok := sel.X.(*ast.Ident); ok {
				if path, ok := imports[x.Name]; ok {
					if strings.HasPrefix(path, Module+"/") && folder(path) != f.folder {
						add(u.names, folder(path), sel.Sel.Name)
					}
					return true
				}
			}
			add(u.members, sel.Sel.Name, f.folder)
			return true
		})
	}
	return u
}

// wellKnown are methods whose meaning their interface gives.
var wellKnown = map[string]bool{
	"String": true, "Error": true, "Unwrap": true, "Close": true, "Read": true, "Write": true, "ServeHTTP": true, "RoundTrip": true, "Scan": true, "Value": true,
	"MarshalJSON": true, "UnmarshalJSON": true, "MarshalText": true, "UnmarshalText": true, "LogValue": true, "GoString": true, "Format": true, "Is": true, "As": true,
	"Len": true, "Less": true, "Swap": true,
}

// checkDocs names the exported functions, types, values and methods that another package uses and that have
// no comment. A method counts as used where any other package uses a member of its name.
func checkDocs(f source, u usage) []string {
	var found []string
	report := func(pos token.Pos, name string) {
		found = append(found, fmt.Sprintf("%s:%d: %s is used elsewhere and has no comment", f.path, f.line(pos), name))
	}
	used := u.names[f.folder]
	var said *ast.FuncDecl // the last function that a comment covers
	for _, decl := range f.file.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			row := said != nil && said.Name.Name == d.Name.Name && f.line(d.Pos()) == f.line(said.End())+1
			if d.Doc != nil || row {
				said = d // a comment also covers methods of the same name in the lines below it
				continue
			}
			if !d.Name.IsExported() {
				continue
			}
			if d.Recv == nil && used[d.Name.Name] || d.Recv != nil && exportedReceiver(d) && !wellKnown[d.Name.Name] && usedElsewhere(u.members[d.Name.Name], f.folder) {
				report(d.Pos(), d.Name.Name)
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				for _, name := range undocumented(d, spec) {
					if used[name] {
						report(spec.Pos(), name)
					}
				}
			}
		}
	}
	return found
}

// exportedReceiver says whether a method belongs to an exported type.
func exportedReceiver(d *ast.FuncDecl) bool {
	t := d.Recv.List[0].Type
	if star, ok := t.(*ast.StarExpr); ok {
		t = star.X
	}
	if index, ok := t.(*ast.IndexExpr); ok {
		t = index.X
	}
	name, ok := t.(*ast.Ident)
	return ok && name.IsExported()
}

// usedElsewhere says whether a folder other than its own uses a name.
func usedElsewhere(folders map[string]bool, own string) bool {
	for f := range folders {
		if f != own {
			return true
		}
	}
	return false
}

// undocumented lists the names of a declaration that no comment covers: its own, one behind it, or that of
// its group.
func undocumented(d *ast.GenDecl, spec ast.Spec) []string {
	if d.Doc != nil {
		return nil
	}
	switch s := spec.(type) {
	case *ast.TypeSpec:
		if s.Doc == nil && s.Comment == nil {
			return []string{s.Name.Name}
		}
	case *ast.ValueSpec:
		if s.Doc == nil && s.Comment == nil {
			var names []string
			for _, n := range s.Names {
				names = append(names, n.Name)
			}
			return names
		}
	}
	return nil
}
