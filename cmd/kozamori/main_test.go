package main

import (
	"strings"
	"testing"
)

// A mistake in the flags is told once, by whoever prints the error; help is no mistake.
func TestFlagsOfEveryCommand(t *testing.T) {
	for _, c := range commands() {
		for args, want := range map[string]string{"--nonsense": "-nonsense", "surplus": `unexpected "surplus"`} {
			var out strings.Builder
			err := run(t.Context(), []string{c.name, args}, &out)
			if err == nil || strings.Count(err.Error(), want) != 1 || !strings.Contains(err.Error(), "kozamori "+c.name+" --help") {
				t.Errorf("%s %s: %v", c.name, args, err)
			}
			if out.Len() > 0 {
				t.Errorf("%s %s prints as well: %s", c.name, args, out.String())
			}
		}
		var out strings.Builder
		if err := run(t.Context(), []string{c.name, "--help"}, &out); err != nil || !strings.Contains(out.String(), "kozamori "+c.name) {
			t.Errorf("%s --help: %v, %q", c.name, err, out.String())
		}
	}
}
