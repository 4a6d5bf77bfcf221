package web

import (
	"strings"
	"testing"
)

// Every mistake that a template can make is found before a person sees it.
func TestCheckFindsMistakes(t *testing.T) {
	page := func(content string) string {
		return `{{define "title"}}t{{end}}{{define "content"}}` + content + `{{end}}`
	}
	for name, c := range map[string]struct{ template, want string }{
		"misspelt field":         {page(`{{.Ammount}}`), "no field or method Ammount"},
		"in a range":             {page(`{{range .Rows}}{{.Nmae}}{{end}}`), "no field or method Nmae"},
		"by a range variable":    {page(`{{range $i, $r := .Rows}}{{$r.Nmae}}{{end}}`), "no field or method Nmae"},
		"in a with":              {page(`{{with .Key}}{{.Opts}}{{end}}`), "no field or method Opts"},
		"by the outer dot":       {page(`{{range .Rows}}{{$.Amuont}}{{end}}`), "no field or method Amuont"},
		"in an if":               {page(`{{if .Wrnog}}x{{end}}`), "no field or method Wrnog"},
		"in an argument":         {page(`{{yen .Amoutn}}`), "no field or method Amoutn"},
		"in a pipe":              {page(`{{.Amount | yen}}{{.Amoutn | yen}}`), "no field or method Amoutn"},
		"in a shared part":       {page(`{{template "fields" .Rows}}`), "has no field or method Fields"},
		"wrong type of argument": {page(`{{day .Amount}}`), "argument 1 is a money.Yen, want time.Time"},
		"too many arguments":     {page(`{{yen .Amount .Amount}}`), "yen takes 1 arguments, not 2"},
		"argument of a method":   {page(`{{.Form.Field .Amount}}`), "argument 1 is a money.Yen, want string"},
		"arguments of a field":   {page(`{{.Amount 3}}`), "takes no arguments"},
		"range over a number":    {page(`{{range .Amount}}x{{end}}`), "cannot range over"},
		"missing part":           {page(`{{template "nothing" .}}`), `template "nothing" does not exist`},
		"missing word":           {page(`{{t "sample.none"}}`), `no text "sample.none"`},
		"values of a word":       {page(`{{t "sample.title" .Amount}}`), `takes 0 values, not 1`},
		"missing icon":           {page(`{{icon "unicorn"}}`), `no icon "unicorn"`},
		"missing asset":          {page(`{{asset "none.js"}}`), `no asset "none.js"`},
		"the title":              {`{{define "title"}}{{.Titel}}{{end}}{{define "content"}}{{end}}`, "no field or method Titel"},
		"if of a struct":         {page(`{{if .Key}}x{{end}}`), "if of a web.Ceremony is always true"},
		"with of a text":         {page(`{{with .Form.Problem}}{{text .}}{{end}}`), "with of a fault.Text is always true"},
		"an early button":        {page(`<form>{{template "ceremony" .Key}}<button class="primary">ok</button></form>`), "can be pressed before the module"},
		"an untyped value":       {page(`{{$x := index .Rows 0 | print}}{{$x.Name}}`), "string has no field or method Name"},
	} {
		t.Run(name, func(t *testing.T) {
			err := sampleSite(t, c.template).Check(samplePageValue())
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want %q", err, c.want)
			}
		})
	}
}

type strayPage struct{}

func (strayPage) Template() string { return "stray.html" }

func TestCheckWantsEveryPageAndTemplate(t *testing.T) {
	s := sampleSite(t, sampleTemplate)
	err := s.Check(strayPage{})
	for _, want := range []string{`no template "stray.html"`, "sample.html: no page was given"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestCheckComparesTheLanguages(t *testing.T) {
	s := sampleSite(t, sampleTemplate)
	s.texts["half"] = s.texts["sample.title"]
	half := s.texts["half"]
	half.EN = ""
	s.texts["half"] = half
	uneven := half
	uneven.JA, uneven.EN = "%[1]s から %[2]s", "to %[2]s"
	s.texts["uneven"] = uneven
	err := s.Check(samplePageValue())
	for _, want := range []string{`text "half": one language is missing`, `text "uneven": Japanese takes`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestCheckRendersFilledPages(t *testing.T) {
	p := samplePageValue()
	p.Form.Fields()[0].Label.JA = "⟦x⟧"
	if err := sampleSite(t, sampleTemplate).Check(p); err == nil || !strings.Contains(err.Error(), "a word is missing") {
		t.Fatalf("got %v", err)
	}
}

func TestPageThatLacksItsBlocks(t *testing.T) {
	s := sampleSite(t, sampleTemplate)
	o := s.o
	o.Pages = mapFS("sample.html", `{{define "content"}}{{end}}`)
	if _, err := NewSite(o); err == nil || !strings.Contains(err.Error(), `does not define "title"`) {
		t.Fatalf("got %v", err)
	}
}
