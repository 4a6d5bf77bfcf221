// Command zengin-import turns editions of the npm package zengin-code into the files that package zengin
// embeds. It fetches each edition with npm itself, checks every row, and writes the same bytes every time.
//
//	go run ./cmd/zengin-import -out internal/zengin/data 2020=1.0.0-p20200420 today=1.0.0-p20260824
package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "zengin-import:", err)
		os.Exit(1)
	}
}

// edition is one version of the package and the file it becomes.
type edition struct{ file, version string }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("zengin-import", flag.ContinueOnError)
	flags.SetOutput(stderr)
	out := flags.String("out", "internal/zengin/data", "folder to write to")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() == 0 {
		return errors.New("say which editions, as file=version")
	}
	for _, arg := range flags.Args() {
		file, version, ok := strings.Cut(arg, "=")
		if !ok {
			return fmt.Errorf("%q is not file=version", arg)
		}
		pkg, err := fetch(ctx, version, stderr)
		if err != nil {
			return fmt.Errorf("zengin-code %s: %w", version, err)
		}
		if err := convert(edition{file, version}, pkg, *out, stdout); err != nil {
			return fmt.Errorf("zengin-code %s: %w", version, err)
		}
	}
	return nil
}

// parcel is what npm delivered: its integrity string and the two files that matter.
type parcel struct {
	integrity     string
	data, licence []byte
}

// fetch lets npm download and verify one version, and unpacks what is needed.
func fetch(ctx context.Context, version string, stderr io.Writer) (parcel, error) {
	dir, err := os.MkdirTemp("", "zengin-import")
	if err != nil {
		return parcel{}, err
	}
	defer os.RemoveAll(dir)
	npm := exec.CommandContext(ctx, "npm", "pack", "--json", "--pack-destination", dir, "zengin-code@"+version)
	npm.Stderr = stderr
	answer, err := npm.Output()
	if err != nil {
		return parcel{}, fmt.Errorf("npm pack: %w", err)
	}
	var packed []struct{ Filename, Integrity string }
	if err := json.Unmarshal(answer, &packed); err != nil || len(packed) != 1 {
		return parcel{}, fmt.Errorf("npm pack answered %.200q (%v)", answer, err)
	}
	f, err := os.Open(filepath.Join(dir, packed[0].Filename))
	if err != nil {
		return parcel{}, err
	}
	defer f.Close()
	p, err := unpack(f)
	p.integrity = packed[0].Integrity
	return p, err
}

// unpack reads the data and the licence out of the package's archive.
func unpack(r io.Reader) (parcel, error) {
	zr, err := gzip.NewReader(r)
	if err != nil {
		return parcel{}, err
	}
	var p parcel
	for tr := tar.NewReader(zr); ; {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return parcel{}, err
		}
		switch h.Name {
		case "package/lib/zengin-data.js":
			p.data, err = io.ReadAll(tr)
		case "package/LICENSE.txt":
			p.licence, err = io.ReadAll(tr)
		}
		if err != nil {
			return parcel{}, err
		}
	}
	if p.data == nil || p.licence == nil {
		return parcel{}, errors.New("the package lacks its data or its licence")
	}
	return p, nil
}

// convert writes the data file and the licence beside it.
func convert(e edition, p parcel, out string, stdout io.Writer) error {
	banks, err := parse(p.data)
	if err != nil {
		return err
	}
	day := regexp.MustCompile(`-p(\d{4})(\d{2})(\d{2})$`).FindStringSubmatch(e.version)
	if day == nil {
		return errors.New("the version does not end in its date")
	}
	head := strings.Join([]string{"zengin-code", e.version, strings.Join(day[1:], "-"), p.integrity, "MIT, (c) 2015 Sho Kusano"}, "\t")
	text, branches, err := table(head, banks)
	if err != nil {
		return err
	}
	var packed bytes.Buffer
	zw, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return err
	}
	if _, err := zw.Write(text); err != nil {
		return err
	}
	if err := zw.Close(); err != nil {
		return err
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(out, e.file+".tsv.gz"), packed.Bytes(), 0o644); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "%s: %d banks, %d branches, %d bytes\n", e.file, len(banks), branches, packed.Len())
	return os.WriteFile(filepath.Join(out, "LICENSE.zengin-code.txt"), p.licence, 0o644)
}
