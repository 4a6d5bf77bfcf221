package web

import (
	"fmt"
	"io/fs"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var (
	themeBlock = regexp.MustCompile(`(?s)\[data-theme="(\w+)"\](?:\[data-accent="(\d)"\])? \{(.*?)\}`)
	token      = regexp.MustCompile(`--([a-z-]+): (#[0-9a-f]{6});`)
)

// tokens reads the colours of a theme: the plain ones, and each accent laid over them.
func tokens(t *testing.T, theme Theme) map[string]map[string]string {
	t.Helper()
	b, err := fs.ReadFile(assetFiles, "assets/theme-"+string(theme)+".css")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]map[string]string{}
	for _, m := range themeBlock.FindAllStringSubmatch(string(b), -1) {
		if m[1] != string(theme) {
			t.Fatalf("theme-%s.css speaks of %s", theme, m[1])
		}
		set := map[string]string{}
		for k, v := range all[""] {
			set[k] = v
		}
		for _, c := range token.FindAllStringSubmatch(m[3], -1) {
			set[c[1]] = c[2]
		}
		all[m[2]] = set
	}
	if len(all[""]) < 15 {
		t.Fatalf("theme-%s.css: only %d colours were read", theme, len(all[""]))
	}
	return all
}

// luminance is that of WCAG 2.
func luminance(t *testing.T, hex string) float64 {
	t.Helper()
	if len(hex) != 7 {
		t.Fatalf("colour %q", hex)
	}
	var sum float64
	for i, weight := range []float64{.2126, .7152, .0722} {
		n, err := strconv.ParseUint(hex[1+2*i:3+2*i], 16, 8)
		if err != nil {
			t.Fatal(err)
		}
		c := float64(n) / 255
		if c <= .04045 {
			c /= 12.92
		} else {
			c = math.Pow((c+.055)/1.055, 2.4)
		}
		sum += weight * c
	}
	return sum
}

func contrast(t *testing.T, a, b string) float64 {
	la, lb := luminance(t, a), luminance(t, b)
	return (max(la, lb) + .05) / (min(la, lb) + .05)
}

// Every text has a contrast of 4.5 to what it stands on, every outline of 3 (WCAG 2.2, 1.4.3 and 1.4.11), in
// every theme and accent.
func TestContrast(t *testing.T) {
	texts := [][2]string{
		{"ink", "bg"}, {"ink", "surface"}, {"ink", "field"}, {"ink", "accent-soft"}, {"ink", "head-soft"},
		{"soft-ink", "bg"}, {"soft-ink", "surface"}, {"soft-ink", "head-soft"},
		{"muted", "bg"}, {"muted", "surface"}, {"muted", "accent-soft"}, {"muted", "head-soft"},
		{"accent", "bg"}, {"accent", "surface"}, {"accent", "accent-soft"}, {"on-accent", "accent"}, {"on-brand", "brand"},
		{"good-ink", "good-soft"}, {"bad-ink", "bad-soft"}, {"warn-ink", "warn-soft"}, {"bad-ink", "surface"},
		{"ink", "good-soft"}, {"ink", "bad-soft"}, {"ink", "warn-soft"},
	}
	outlines := [][2]string{{"edge", "surface"}, {"edge", "field"}, {"focus", "surface"}, {"focus", "bg"}, {"focus", "accent-soft"}}
	for _, theme := range []Theme{Bank, Wallet, Hub, Dev} {
		for accent, set := range tokens(t, theme) {
			for least, pairs := range map[float64][][2]string{4.5: texts, 3: outlines} {
				for _, p := range pairs {
					if c := contrast(t, set[p[0]], set[p[1]]); c < least {
						t.Errorf("%s %s: %s on %s is %.2f, want %.1f", theme, accent, p[0], p[1], c, least)
					}
				}
			}
		}
	}
}

// A bank must not be taken for a wallet: their headers differ in colour for people who see few, and the headings
// have other letters.
func TestBankLooksUnlikeWallet(t *testing.T) {
	wallets := tokens(t, Wallet)
	for accent, bank := range tokens(t, Bank) {
		for other, wallet := range wallets {
			if c := contrast(t, bank["brand"], wallet["brand"]); c < 1.8 {
				t.Errorf("bank %s and wallet %s: headers differ by %.2f only", accent, other, c)
			}
		}
	}
	for theme, want := range map[Theme]string{Bank: "Mincho", Wallet: "Maru Gothic"} {
		b, err := fs.ReadFile(assetFiles, "assets/theme-"+string(theme)+".css")
		if err != nil {
			t.Fatal(err)
		}
		head := regexp.MustCompile(`--font-head: ([^;]*);`).FindStringSubmatch(string(b))
		if head == nil || !strings.Contains(head[1], want) {
			t.Errorf("%s: headings are not set in %s", theme, want)
		}
	}
}

// No style sheet, script or template of ours reaches out to another host or carries inline code.
func TestNothingInlineNothingForeign(t *testing.T) {
	inline := regexp.MustCompile(`(?i)<script(?:>|[^>]*>[^<])|<style| style="| on[a-z]+="|javascript:`)
	foreign := regexp.MustCompile(`(?i)(?:https?:)?//[a-z0-9.-]+\.[a-z]{2,}|@import`)
	for _, from := range []fs.FS{assetFiles, frameFiles} {
		err := fs.WalkDir(from, ".", func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			b, err := fs.ReadFile(from, name)
			if err != nil {
				return err
			}
			text := strings.ReplaceAll(string(b), "http://www.w3.org/2000/svg", "")
			if m := foreign.FindString(text); m != "" {
				t.Errorf("%s reaches out: %s", name, m)
			}
			if m := inline.FindString(text); m != "" && strings.HasSuffix(name, ".html") {
				t.Errorf("%s has inline code: %s", name, m)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, icon := range icons {
		if strings.ContainsAny(icon, `<>"&`) {
			t.Error(fmt.Errorf("icon %q is more than a path", icon))
		}
	}
}
