package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"
)

//go:embed assets
var assetFiles embed.FS

const staticPrefix = "/static/"

// assets are the static files under an address that holds the hash of them all: a browser may keep them for
// ever, and the modules among them find each other by relative names.
type assets struct {
	base  string // "/static/1a2b3c4d5e6f/"
	files map[string]asset
}

type asset struct {
	plain  []byte
	zipped func() []byte // made when it is first asked for; nil for what is small already
	mime   string
}

func newAssets(more fs.FS) (*assets, error) {
	a := &assets{files: map[string]asset{}}
	own, err := fs.Sub(assetFiles, "assets")
	if err != nil {
		return nil, fmt.Errorf("web: assets: %w", err)
	}
	sum := sha256.New()
	for _, from := range []fs.FS{own, more} {
		if from == nil {
			continue
		}
		err := fs.WalkDir(from, ".", func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			b, err := fs.ReadFile(from, name)
			if err != nil {
				return err
			}
			fmt.Fprintf(sum, "%s %d\n", name, len(b))
			sum.Write(b)
			a.files[name], err = newAsset(name, b)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("web: assets: %w", err)
		}
	}
	a.base = staticPrefix + hex.EncodeToString(sum.Sum(nil)[:6]) + "/"
	return a, nil
}

// mimes are the only kinds of file served; anything else is a mistake at start.
var mimes = map[string]string{
	".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml",
	".png": "image/png", ".webp": "image/webp", ".woff2": "font/woff2", ".webmanifest": "application/manifest+json",
}

func newAsset(name string, b []byte) (asset, error) {
	mime, ok := mimes[path.Ext(name)]
	if !ok {
		return asset{}, fmt.Errorf("%s: a kind of file that is not served", name)
	}
	out := asset{plain: b, mime: mime}
	if strings.HasPrefix(mime, "text/") || path.Ext(name) == ".svg" {
		out.zipped = sync.OnceValue(func() []byte { return zip(b) })
	}
	return out, nil
}

func zip(b []byte) []byte {
	var z bytes.Buffer
	w, err := gzip.NewWriterLevel(&z, gzip.BestCompression)
	if err == nil {
		_, err = w.Write(b)
	}
	if err = errors.Join(err, w.Close()); err != nil {
		panic("web: a buffer in memory cannot be written: " + err.Error())
	}
	return z.Bytes()
}

// url is the address of a file; a name that does not exist is an error of the template.
func (a *assets) url(name string) (string, error) {
	if _, ok := a.files[name]; !ok {
		return "", fmt.Errorf("no asset %q", name)
	}
	return a.base + name, nil
}

func (a *assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, current := strings.CutPrefix(r.URL.Path, a.base)
	f, ok := a.files[name]
	if !current || !ok || !safe(r.Method) {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", f.mime)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Add("Vary", "Accept-Encoding")
	body := f.plain
	if f.zipped != nil && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		body = f.zipped()
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
}
