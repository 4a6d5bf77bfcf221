package archtest

import (
	"bytes"
	"encoding/json"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"
)

// listed is a package as the go command sees it.
type listed struct {
	ImportPath, Name string
	Imports, Deps    []string
	GoFiles          []string
}

// tree is the repository: its packages, its Go files, its text files.
type tree struct {
	packages []listed
	files    []source
	texts    map[string]string // path from the root
	errs     []error
}

// skipped are folders that are not the repository's own.
var skipped = []string{".git", "bin", ".dev", "node_modules", "rapid"}

// repository reads everything once for all tests.
var repository = sync.OnceValue(func() *tree {
	r := &tree{texts: map[string]string{}}
	root := filepath.Join("..", "..")
	r.errs = append(r.errs, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if slices.Contains(skipped, d.Name()) {
			if d.IsDir() {
				return filepath.SkipDir
			}
			return nil // .git is a file in a worktree
		}
		if d.IsDir() {
			return nil
		}
		return r.add(root, path)
	}), r.list(root))
	return r
})

// add keeps a file if it is text, and parses it if it is Go.
func (r *tree) add(root, path string) error {
	raw, err := os.ReadFile(path)
	if err != nil || bytes.IndexByte(raw, 0) >= 0 || !utf8.Valid(raw) {
		return err
	}
	rel, err := filepath.Rel(root, path)
	if err != nil {
		return err
	}
	rel = filepath.ToSlash(rel)
	r.texts[rel] = string(raw)
	if !strings.HasSuffix(rel, ".go") || !strings.Contains(rel, "/") || strings.Contains(rel, "/testdata/") {
		return nil
	}
	s, err := parse(rel, string(raw))
	r.files = append(r.files, s)
	return err
}

// list asks the go command for the packages, once.
func (r *tree) list(root string) error {
	cmd := exec.Command("go", "list", "-e", "-json=ImportPath,Name,Imports,Deps,GoFiles", "./internal/...", "./cmd/...", "./docs/...")
	cmd.Dir = root
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return err
	}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := dec.Decode(&p); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		r.packages = append(r.packages, p)
	}
}

// load gives the repository to a test and sees to it that it is there at all.
func load(t *testing.T) *tree {
	t.Helper()
	r := repository()
	for _, err := range r.errs {
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(r.packages) < 10 || len(r.files) < 30 {
		t.Fatalf("found only %d packages and %d files", len(r.packages), len(r.files))
	}
	return r
}

// report fails the test once for each finding.
func report(t *testing.T, found []string) {
	t.Helper()
	for _, f := range found {
		t.Error(f)
	}
}
