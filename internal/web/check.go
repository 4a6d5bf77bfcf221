package web

import (
	"bytes"
	"errors"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"text/template/parse"
	"time"

	"github.com/kozamori/kozamori/internal/fault"
)

// Check holds every template of the site against the struct of its page: each {{.Name}} must be a field or
// method of the type it stands on, each {{template}} must exist, each literal {{t "key"}} must have words in
// both languages. pages is one value of every page, zero or, better, filled: then it is rendered as well. A
// template without a page, and a page without a template, are reported too; so is a button of a ceremony that
// is not served disabled. Call it in a test.
func (s *Site) Check(pages ...Page) error {
	var errs []error
	set := s.sets[languages[0]]
	seen := map[string]bool{errorTemplate: true}
	for _, p := range pages {
		t := set[p.Template()]
		if t == nil {
			errs = append(errs, fmt.Errorf("%T: no template %q", p, p.Template()))
			continue
		}
		seen[p.Template()] = true
		errs = append(errs, s.checkPage(t, p)...)
		errs = append(errs, checkCeremony(t))
		if !reflect.ValueOf(p).IsZero() {
			errs = append(errs, s.try(p)...)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(set)) {
		if !seen[name] {
			errs = append(errs, fmt.Errorf("%s: no page was given for this template", name))
		}
	}
	errs = append(errs, s.checkTexts()...)
	return errors.Join(errs...)
}

// try renders a page that was given with values, in both languages.
func (s *Site) try(p Page) []error {
	var errs []error
	for _, lang := range languages {
		r := &http.Request{Method: http.MethodGet, URL: &url.URL{Path: "/"}, Header: http.Header{"Cookie": {langCookie + "=" + lang}}}
		var b bytes.Buffer
		if err := s.execute(&b, r, p); err != nil {
			errs = append(errs, fmt.Errorf("%T in %s: %w", p, lang, err))
		} else if i := bytes.Index(b.Bytes(), []byte("⟦")); i >= 0 {
			errs = append(errs, fmt.Errorf("%T in %s: a word is missing: %.60s", p, lang, b.Bytes()[i:]))
		}
	}
	return errs
}

// checkTexts asks that every text has both languages and that both take the same values.
func (s *Site) checkTexts() []error {
	var errs []error
	for _, key := range slices.Sorted(maps.Keys(s.texts)) {
		text := s.texts[key]
		if text.JA == "" || text.EN == "" {
			errs = append(errs, fmt.Errorf("text %q: one language is missing", key))
		}
		if ja, en := verbs(text.JA), verbs(text.EN); !slices.Equal(ja, en) {
			errs = append(errs, fmt.Errorf("text %q: Japanese takes %v, English %v", key, ja, en))
		}
	}
	return errs
}

// verbs are the formatting verbs of a text, sorted: the languages may order them differently.
func verbs(s string) []string {
	var out []string
	s = strings.ReplaceAll(s, "%%", "")
	for i := strings.IndexByte(s, '%'); i >= 0; i = strings.IndexByte(s, '%') {
		s = s[i:]
		end := strings.IndexFunc(s[1:], func(r rune) bool { return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' })
		if end < 0 {
			return append(out, s)
		}
		out = append(out, s[:end+2])
		s = s[end+2:]
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func (s *Site) checkPage(t *template.Template, p Page) []error {
	c := &checker{site: s, set: t, page: reflect.TypeOf(p), funcs: s.funcs(languages[0]), done: map[string]bool{}}
	c.enter("frame", reflect.TypeFor[frame]())
	return c.errs
}

// checker walks the parse trees of one page with the types that will be there.
type checker struct {
	site  *Site
	set   *template.Template
	page  reflect.Type
	funcs template.FuncMap
	done  map[string]bool // template and type that were walked
	errs  []error

	name string // of the template being walked
	vars []variable
}

type variable struct {
	name string
	typ  reflect.Type
}

// anything is the type of what the checker cannot know; a field of it is an error, for pages are typed.
var anything = reflect.TypeFor[any]()

func (c *checker) fail(n parse.Node, format string, args ...any) {
	where, _ := c.set.Lookup(c.name).Tree.ErrorContext(n)
	c.errs = append(c.errs, fmt.Errorf("%s (%s, %v): %s", where, c.name, c.page, fmt.Sprintf(format, args...)))
}

// enter walks a named template with a dot of type dot.
func (c *checker) enter(name string, dot reflect.Type) {
	key := fmt.Sprint(name, " ", dot)
	if c.done[key] {
		return
	}
	c.done[key] = true
	t := c.set.Lookup(name)
	if t == nil || t.Tree == nil {
		c.errs = append(c.errs, fmt.Errorf("%s: template %q does not exist", c.name, name))
		return
	}
	outer, vars := c.name, c.vars
	c.name, c.vars = name, []variable{{"$", dot}}
	c.walk(t.Tree.Root, dot)
	c.name, c.vars = outer, vars
}

func (c *checker) walk(n parse.Node, dot reflect.Type) {
	switch n := n.(type) {
	case *parse.ListNode:
		if n != nil {
			for _, child := range n.Nodes {
				c.walk(child, dot)
			}
		}
	case *parse.ActionNode:
		c.pipe(n.Pipe, dot)
	case *parse.IfNode:
		mark := len(c.vars)
		if t := c.pipe(n.Pipe, dot); t != nil && t.Kind() == reflect.Struct {
			c.fail(n, "if of a %v is always true: a struct is never empty to a template", t)
		}
		c.walk(n.List, dot)
		c.walk(n.ElseList, dot)
		c.vars = c.vars[:mark]
	case *parse.WithNode:
		mark := len(c.vars)
		t := c.pipe(n.Pipe, dot)
		if t == reflect.TypeFor[fault.Text]() || t == reflect.TypeFor[time.Time]() || t != nil && t.Kind() == reflect.Struct && n.ElseList != nil {
			c.fail(n, "with of a %v is always true: ask {{with text .X}}, or a field that can be empty", t)
		}
		c.walk(n.List, t)
		c.vars = c.vars[:mark]
		c.walk(n.ElseList, dot)
	case *parse.RangeNode:
		c.walkRange(n, dot)
	case *parse.TemplateNode:
		t := reflect.Type(anything)
		if n.Pipe != nil {
			t = c.pipe(n.Pipe, dot)
		}
		c.enter(n.Name, t)
	}
}

func (c *checker) walkRange(n *parse.RangeNode, dot reflect.Type) {
	mark := len(c.vars)
	over := c.command(n.Pipe.Cmds[0], dot, nil)
	for _, cmd := range n.Pipe.Cmds[1:] {
		over = c.command(cmd, dot, over)
	}
	key, elem := elements(over)
	if elem == nil {
		c.fail(n, "cannot range over %v", over)
		key, elem = anything, anything
	}
	switch decl := n.Pipe.Decl; len(decl) {
	case 1:
		c.vars = append(c.vars, variable{decl[0].Ident[0], elem})
	case 2:
		c.vars = append(c.vars, variable{decl[0].Ident[0], key}, variable{decl[1].Ident[0], elem})
	}
	c.walk(n.List, elem)
	c.vars = c.vars[:mark]
	c.walk(n.ElseList, dot)
}

// elements are the key and element types of a range; nil where there is none.
func elements(t reflect.Type) (key, elem reflect.Type) {
	t = pointed(t)
	if t == nil {
		return nil, nil
	}
	switch t.Kind() {
	case reflect.Slice, reflect.Array:
		return reflect.TypeFor[int](), t.Elem()
	case reflect.Map:
		return t.Key(), t.Elem()
	case reflect.Int:
		return t, t
	}
	return nil, nil
}

// pipe gives the type of a pipeline and declares its variables.
func (c *checker) pipe(p *parse.PipeNode, dot reflect.Type) reflect.Type {
	if p == nil {
		return anything
	}
	var t reflect.Type
	for _, cmd := range p.Cmds {
		t = c.command(cmd, dot, t)
	}
	for _, v := range p.Decl {
		if p.IsAssign {
			continue
		}
		c.vars = append(c.vars, variable{v.Ident[0], t})
	}
	return t
}

// command gives the type of one command; last is the value piped into it, nil for none.
func (c *checker) command(cmd *parse.CommandNode, dot, last reflect.Type) reflect.Type {
	first := cmd.Args[0]
	args := c.args(cmd.Args[1:], dot)
	if last != nil {
		args = append(args, last)
	}
	switch n := first.(type) {
	case *parse.FieldNode:
		return c.path(n, c.dot(dot), n.Ident, args)
	case *parse.ChainNode:
		return c.path(n, c.value(n.Node, dot), n.Field, args)
	case *parse.VariableNode:
		return c.path(n, c.variable(n), n.Ident[1:], args)
	case *parse.IdentifierNode:
		return c.call(n, cmd, args)
	}
	return c.value(first, dot)
}

func (c *checker) args(nodes []parse.Node, dot reflect.Type) []reflect.Type {
	var out []reflect.Type
	for _, n := range nodes {
		out = append(out, c.value(n, dot))
	}
	return out
}

// dot is the type that "." stands for: the frame's Page is the page being checked.
func (c *checker) dot(t reflect.Type) reflect.Type {
	if t == reflect.TypeFor[Page]() {
		return c.page
	}
	return t
}

func (c *checker) value(n parse.Node, dot reflect.Type) reflect.Type {
	switch n := n.(type) {
	case *parse.DotNode:
		return c.dot(dot)
	case *parse.FieldNode:
		return c.path(n, c.dot(dot), n.Ident, nil)
	case *parse.VariableNode:
		return c.path(n, c.variable(n), n.Ident[1:], nil)
	case *parse.ChainNode:
		return c.path(n, c.value(n.Node, dot), n.Field, nil)
	case *parse.PipeNode:
		return c.pipe(n, dot)
	case *parse.StringNode:
		return reflect.TypeFor[string]()
	case *parse.BoolNode:
		return reflect.TypeFor[bool]()
	case *parse.NumberNode:
		return reflect.TypeFor[int]()
	case *parse.IdentifierNode:
		return c.call(n, &parse.CommandNode{Args: []parse.Node{n}}, nil)
	}
	return anything
}

func (c *checker) variable(n *parse.VariableNode) reflect.Type {
	for _, v := range slices.Backward(c.vars) {
		if v.name == n.Ident[0] {
			return c.dot(v.typ)
		}
	}
	return anything
}

// path follows field and method names from t; only the last may be a method with arguments.
func (c *checker) path(n parse.Node, t reflect.Type, names []string, args []reflect.Type) reflect.Type {
	for i, name := range names {
		var given []reflect.Type
		if i == len(names)-1 {
			given = args
		}
		next, problem := member(t, name, given)
		if problem != "" {
			c.fail(n, "%s", problem)
			return anything
		}
		t = c.dot(next)
	}
	return t
}

// member is the type of t.name, or what is wrong with it.
func member(t reflect.Type, name string, args []reflect.Type) (reflect.Type, string) {
	if t == nil || t == anything {
		return nil, fmt.Sprintf(".%s is asked of a value whose type is not known", name)
	}
	if m, ok := t.MethodByName(name); ok {
		skip := 1
		if t.Kind() == reflect.Interface {
			skip = 0
		}
		return result(m.Type, skip, name, args)
	}
	if _, ok := reflect.PointerTo(t).MethodByName(name); ok {
		return nil, fmt.Sprintf("%v.%s needs a pointer: the template holds a value", t, name)
	}
	s := pointed(t)
	if s.Kind() == reflect.Map && s.Key().Kind() == reflect.String {
		return s.Elem(), ""
	}
	if s.Kind() != reflect.Struct {
		return nil, fmt.Sprintf("%v has no field or method %s", t, name)
	}
	f, ok := s.FieldByName(name)
	if !ok || !f.IsExported() {
		return nil, fmt.Sprintf("%v has no field or method %s", t, name)
	}
	if len(args) > 0 {
		return nil, fmt.Sprintf("%v.%s is no method and takes no arguments", t, name)
	}
	return f.Type, ""
}

// result is the result of calling a function type whose first skip parameters are given already.
func result(f reflect.Type, skip int, name string, args []reflect.Type) (reflect.Type, string) {
	want := f.NumIn() - skip
	if f.IsVariadic() && len(args) < want-1 || !f.IsVariadic() && len(args) != want {
		return nil, fmt.Sprintf("%s takes %d arguments, not %d", name, want, len(args))
	}
	for i, a := range args {
		var p reflect.Type
		if f.IsVariadic() && i >= want-1 {
			p = f.In(f.NumIn() - 1).Elem()
		} else {
			p = f.In(skip + i)
		}
		if a == nil || a == anything || a.AssignableTo(p) || a.Kind() == reflect.Int && p.Kind() >= reflect.Int && p.Kind() <= reflect.Float64 && a.Name() == "int" {
			continue
		}
		if pointed(a).AssignableTo(p) || reflect.PointerTo(a).AssignableTo(p) {
			continue
		}
		return nil, fmt.Sprintf("%s: argument %d is a %v, want %v", name, i+1, a, p)
	}
	if f.NumOut() == 0 {
		return nil, name + " has no result"
	}
	return f.Out(0), ""
}

// call gives the result of a function of the templates.
func (c *checker) call(n *parse.IdentifierNode, cmd *parse.CommandNode, args []reflect.Type) reflect.Type {
	f, ours := c.funcs[n.Ident]
	if !ours {
		return builtin(n.Ident, args)
	}
	if len(cmd.Args) > 1 {
		if lit, ok := cmd.Args[1].(*parse.StringNode); ok {
			c.literal(n, lit.Text, len(cmd.Args)-2)
		}
	}
	t, problem := result(reflect.TypeOf(f), 0, n.Ident, args)
	if problem != "" {
		c.fail(n, "%s", problem)
		return anything
	}
	return t
}

// literal checks the names given to t, asset and icon.
func (c *checker) literal(n *parse.IdentifierNode, name string, values int) {
	switch n.Ident {
	case "t":
		text, ok := c.site.texts[name]
		if !ok {
			c.fail(n, "no text %q", name)
		} else if want := len(verbs(text.JA)); want != values {
			c.fail(n, "text %q takes %d values, not %d", name, want, values)
		}
	case "asset":
		if _, err := c.site.assets.url(name); err != nil {
			c.fail(n, "%v", err)
		}
	case "icon":
		if _, err := icon(name); err != nil {
			c.fail(n, "%v", err)
		}
	}
}

// builtin is the result type of a function of html/template itself.
func builtin(name string, args []reflect.Type) reflect.Type {
	switch name {
	case "eq", "ne", "lt", "le", "gt", "ge", "not":
		return reflect.TypeFor[bool]()
	case "len":
		return reflect.TypeFor[int]()
	case "print", "printf", "println", "html", "js", "urlquery":
		return reflect.TypeFor[string]()
	case "index":
		if len(args) == 2 {
			if _, elem := elements(args[0]); elem != nil {
				return elem
			}
		}
	case "slice", "and", "or":
		if len(args) > 0 {
			return args[0]
		}
	}
	return anything
}

func pointed(t reflect.Type) reflect.Type {
	if t != nil && t.Kind() == reflect.Pointer {
		return t.Elem()
	}
	return t
}
