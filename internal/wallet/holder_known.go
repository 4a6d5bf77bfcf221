package wallet

import (
	"crypto/hmac"
	"encoding/base64"
	"strings"

	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/wire"
)

// Whoever knows a holder's e-mail address can have the day's codes for recovery sent to it, and so use them up. A
// browser in which she was signed in before has codes of its own: no stranger takes those from her. The mark says
// nothing of the holder, and opens nothing.

// KnownMark is what a browser keeps in which a holder has signed in.
func (w *Wallet) KnownMark(sub id.Subject) string {
	nonce := wire.NewSecret()
	return nonce + "." + base64.RawURLEncoding.EncodeToString(w.knownMAC(sub, nonce))
}

// knows says whether a mark is one of this holder. A wrong one is like none, and nobody costs what somebody does.
func (w *Wallet) knows(sub id.Subject, mark string) bool {
	nonce, text, _ := strings.Cut(mark, ".")
	sum, err := base64.RawURLEncoding.DecodeString(text)
	return hmac.Equal(w.knownMAC(sub, nonce), sum) && err == nil && sub != ""
}

func (w *Wallet) knownMAC(sub id.Subject, nonce string) []byte {
	return w.Secrets.MAC("known browser", string(sub), nonce)
}
