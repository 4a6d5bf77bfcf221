// Package id names things: each kind of thing has its own type, so that one cannot be passed for another.
package id

import (
	"crypto/rand"
	"encoding/base32"
	"io"
	"strings"
)

// The identifiers that cross between companies.
type (
	Service   string // a payment service as registered at the hub: "maru"
	Bank      string // a bank's four-digit Zengin code: "0149"
	Issuer    string // a bank as a signer: the URL of its authorization server, stable through mergers
	Request   string // a link request, made by the service: "req_…"
	Link      string // a bank link, made by the bank: "lnk_…"
	Debit     string // a charge at the service, a debit at the bank: "deb_…"
	Subject   string // an e-money account at a service, as banks see it: "sub_…"
	Pseudonym string // a deposit account as one service may see it (pairwise): "psn_…"
)

var enc = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// New returns prefix + "_" + 128 random bits in lower-case Crockford base 32 (26 characters).
// r is crypto/rand.Reader in a program and a seeded source in a simulation.
func New(r io.Reader, prefix string) string {
	var b [16]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		panic("id: no randomness: " + err.Error())
	}
	return prefix + "_" + enc.EncodeToString(b[:])
}

// Random is New with the operating system's randomness.
func Random(prefix string) string { return New(rand.Reader, prefix) }

// Valid says whether s is an identifier made by New with this prefix.
func Valid(s, prefix string) bool {
	body, ok := strings.CutPrefix(s, prefix+"_")
	if !ok || len(body) != 26 {
		return false
	}
	_, err := enc.DecodeString(body)
	return err == nil
}
