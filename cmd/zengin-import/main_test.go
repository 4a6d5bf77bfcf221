package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// sample is a data file of many banks, the first with two branches out of order.
func sample(extra string) []byte {
	var b strings.Builder
	b.WriteString("module.exports = {\n")
	for i := range 600 {
		fmt.Fprintf(&b, `"%04d":{"code":"%04d","name":"甲%d","kana":"コウ","branches":{}},`, i+1000, i+1000, i)
	}
	b.WriteString(`"0001":{"code":"0001","name":"みずほ","kana":"ミズホ","branches":{` +
		`"004":{"code":"004","name":"ネット","kana":"ネツト－"},"001":{"code":"001","name":"東京　営業部","kana":"トウ．キヨウ"}}}` + extra + `}`)
	return []byte(b.String())
}

func TestConvert(t *testing.T) {
	dir := t.TempDir()
	p := parcel{integrity: "sha512-x", data: sample(""), licence: []byte("MIT")}
	var said bytes.Buffer
	if err := convert(edition{"a", "1.0.0-p20260824"}, p, dir, &said); err != nil {
		t.Fatal(err)
	}
	first, err := os.ReadFile(filepath.Join(dir, "a.tsv.gz"))
	if err != nil {
		t.Fatal(err)
	}
	if err := convert(edition{"b", "1.0.0-p20260824"}, p, dir, &said); err != nil {
		t.Fatal(err)
	}
	second, err := os.ReadFile(filepath.Join(dir, "b.tsv.gz"))
	if err != nil || !bytes.Equal(first, second) {
		t.Errorf("the same edition made other bytes (%v)", err)
	}
	banks, err := parse(p.data)
	if err != nil {
		t.Fatal(err)
	}
	text, n, err := table("head", banks)
	if err != nil || n != 2 {
		t.Fatal(n, err)
	}
	want := "head\n0001\tみずほ\tミズホ\n001\t東京　営業部\tトウ・キヨウ\n004\tネット\tネツトー\n1000\t甲0\tコウ\n"
	if !strings.HasPrefix(string(text), want) {
		t.Errorf("got %.200q", text)
	}
}

func TestRefusesOddData(t *testing.T) {
	for name, data := range map[string][]byte{
		"no assignment": []byte("{}"),
		"few banks":     []byte("module.exports = {}"),
		"odd bank code": sample(`,"12":{"code":"12","name":"x","kana":"x"}`),
		"codes differ":  sample(`,"0002":{"code":"0003","name":"x","kana":"x"}`),
		"no kana":       sample(`,"0002":{"code":"0002","name":"x","kana":""}`),
		"a tab":         sample(`,"0002":{"code":"0002","name":"x\ty","kana":"x"}`),
		"odd branch":    sample(`,"0002":{"code":"0002","name":"x","kana":"x","branches":{"1":{"code":"1","name":"x","kana":"x"}}}`),
	} {
		if err := convert(edition{"a", "1.0.0-p20260824"}, parcel{data: data}, t.TempDir(), &bytes.Buffer{}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if err := convert(edition{"a", "1.0.0"}, parcel{data: sample("")}, t.TempDir(), &bytes.Buffer{}); err == nil {
		t.Error("a version without a date was accepted")
	}
}
