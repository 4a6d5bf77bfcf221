package web

import (
	"errors"
	"fmt"
	"html/template"
	"regexp"
	"strings"
)

var (
	forms   = regexp.MustCompile(`(?s)<form\b.*?</form>`)
	buttons = regexp.MustCompile(`<button\b[^>]*>`)
)

// checkCeremony asks that no button of a form with a ceremony can be pressed before its module is there: it is
// served disabled, or sends what needs no key.
func checkCeremony(t *template.Template) error {
	content := t.Lookup("content")
	if content == nil || content.Tree == nil {
		return nil
	}
	var errs []error
	for _, form := range forms.FindAllString(content.Tree.Root.String(), -1) {
		if !strings.Contains(form, `{{template "ceremony"`) {
			continue
		}
		for _, b := range buttons.FindAllString(form, -1) {
			if !strings.Contains(b, " disabled") && !strings.Contains(b, " formnovalidate") {
				errs = append(errs, fmt.Errorf("%s: %s can be pressed before the module of its ceremony is there", t.Name(), b))
			}
		}
	}
	return errors.Join(errs...)
}
