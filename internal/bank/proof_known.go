package bank

import (
	"crypto/hmac"
	"encoding/base64"
	"strings"
)

// Whoever knows an account's number and its holder's date of birth can have the day's codes for signing in
// sent, and so use them up. A browser in which the holder once signed in has codes of its own, as has she who is
// signed in: no stranger takes those from her (D2). The mark says nothing of the account, and opens nothing.

// KnownMark is what a browser keeps in which somebody signed in to an account by possession and PIN.
func (b *Bank) KnownMark(acc AccountID) string {
	nonce := b.secret()
	return nonce + "." + base64.RawURLEncoding.EncodeToString(b.knownMAC(acc, nonce))
}

// knows says whether a mark is one of this account. A wrong one is like none.
func (b *Bank) knows(acc AccountID, mark string) bool {
	nonce, text, _ := strings.Cut(mark, ".")
	sum, err := base64.RawURLEncoding.DecodeString(text)
	return hmac.Equal(b.knownMAC(acc, nonce), sum) && err == nil && acc != ""
}

func (b *Bank) knownMAC(acc AccountID, nonce string) []byte {
	return b.mac(b.Keys.Code, "known browser", string(acc), nonce)
}
