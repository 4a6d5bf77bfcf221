package web

import (
	"fmt"
	"html/template"
	"image/color"
	"strings"

	"github.com/boombuler/barcode/code128"
	"rsc.io/qr"
)

// SVG is a drawing made on the server; templates show it as it is.
type SVG = template.HTML

// QR draws a text as a QR code with its quiet zone, dark on white whatever the theme, so that every reader
// takes it. label is what a screen reader says in its place.
func QR(text, label string) (SVG, error) {
	c, err := qr.Encode(text, qr.M)
	if err != nil {
		return "", fmt.Errorf("web: qr: %w", err)
	}
	const quiet = 4
	var path strings.Builder
	for y := range c.Size {
		for x := 0; x < c.Size; x++ {
			run := x
			for run < c.Size && c.Black(run, y) {
				run++
			}
			if run > x {
				fmt.Fprintf(&path, "M%d %dh%dv1h-%dz", x+quiet, y+quiet, run-x, run-x)
				x = run
			}
		}
	}
	side := c.Size + 2*quiet
	return drawing("qr", side, side, path.String(), label), nil
}

// Barcode draws printable ASCII as a Code 128 bar code with its quiet zones.
func Barcode(text, label string) (SVG, error) {
	c, err := code128.Encode(text)
	if err != nil {
		return "", fmt.Errorf("web: bar code: %w", err)
	}
	const quiet, height = 10, 40
	w := c.Bounds().Dx()
	var path strings.Builder
	for x := 0; x < w; x++ {
		run := x
		for run < w && dark(c.At(run, 0)) {
			run++
		}
		if run > x {
			fmt.Fprintf(&path, "M%d 0h%dv%dh-%dz", x+quiet, run-x, height, run-x)
			x = run
		}
	}
	return drawing("barcode", w+2*quiet, height, path.String(), label), nil
}

func dark(c color.Color) bool {
	r, _, _, _ := c.RGBA()
	return r < 0x8000
}

func drawing(class string, w, h int, path, label string) SVG {
	return SVG(fmt.Sprintf(`<svg class="code-%s" role="img" aria-label="%s" viewBox="0 0 %d %d" shape-rendering="crispEdges" preserveAspectRatio="none">`+
		`<rect width="%d" height="%d" fill="#fff"/><path d="%s" fill="#000"/></svg>`,
		class, template.HTMLEscapeString(label), w, h, w, h, path))
}
