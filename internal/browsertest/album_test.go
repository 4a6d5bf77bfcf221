package browsertest

import (
	"bytes"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
)

// album holds the pictures of the documents: KOZAMORI_IMAGES=docs/images, from the root, makes them anew.
type album struct {
	dir   string
	pages map[string]image.Image // by language and name: "ja/home"
}

func openAlbum() *album {
	dir := os.Getenv("KOZAMORI_IMAGES")
	if dir == "" {
		return nil
	}
	if !filepath.IsAbs(dir) {
		dir = filepath.Join("..", "..", dir)
	}
	return &album{dir: dir, pages: map[string]image.Image{}}
}

// portrait keeps the page on the screen, as a phone shows it, for the documents. It leaves it in Japanese.
func (h *hand) portrait(name string) {
	h.Helper()
	if h.eyes.docs == nil {
		return
	}
	here := h.url()
	for _, lang := range []string{"en", "ja"} {
		h.do(chromedp.EmulateViewport(phone, tall), chromedp.Navigate(inLanguage(here, lang)), chromedp.WaitVisible("main h1", chromedp.NodeReady))
		b, err := chromedp.Run(h.tab, chromedp.CaptureScreenshot())
		must(h.T, err)
		h.eyes.docs.pages[lang+"/"+name], err = png.Decode(bytes.NewReader(b))
		must(h.T, err)
	}
}

// print writes pages of one language side by side.
func (a *album) print(t *testing.T, file, lang string, names ...string) {
	t.Helper()
	if a == nil {
		return
	}
	const gap = 28
	sheet := image.NewRGBA(image.Rect(0, 0, gap+len(names)*(phone+gap), tall+2*gap))
	draw.Draw(sheet, sheet.Bounds(), image.NewUniform(color.RGBA{0xe9, 0xec, 0xef, 0xff}), image.Point{}, draw.Src)
	for i, name := range names {
		page := a.pages[lang+"/"+name]
		if page == nil {
			t.Fatalf("no picture of %s in %s was taken", name, lang)
		}
		at := image.Pt(gap+i*(phone+gap), gap)
		draw.Draw(sheet, image.Rectangle{at, at.Add(page.Bounds().Size())}, page, image.Point{}, draw.Src)
	}
	coarsen(sheet)
	var b bytes.Buffer
	must(t, (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&b, sheet))
	if b.Len() > 300_000 {
		t.Errorf("%s takes %d KB", file, b.Len()/1000)
	}
	must(t, os.WriteFile(filepath.Join(a.dir, file), b.Bytes(), 0o644))
}

// coarsen makes eight steps of a colour one, but for the colours of areas: nobody sees it, and the file is a
// third smaller.
func coarsen(sheet *image.RGBA) {
	const area = 400 // pixels
	often := map[[3]byte]int{}
	for i := 0; i < len(sheet.Pix); i += 4 {
		often[[3]byte(sheet.Pix[i:])]++
	}
	for i := 0; i < len(sheet.Pix); i += 4 {
		if often[[3]byte(sheet.Pix[i:])] >= area {
			continue
		}
		for j := range 3 {
			sheet.Pix[i+j] = uint8(min(255, (int(sheet.Pix[i+j])+4)/8*8))
		}
	}
}
