package keyfile

import (
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// NoteKey is an Ed25519 key that signs notes (c2sp.org/signed-note) in somebody's name.
type NoteKey struct {
	note.Signer
	Public string // what a note is checked with: "NAME+HASH+BASE64"
}

// Notes reads the keys that sign notes as signer: the first signs.
func (d Dir) Notes(name, signer string) ([]NoteKey, error) {
	return all(d, name, Note, func(f file) (NoteKey, error) {
		seed, err := f.secret()
		if err != nil {
			return NoteKey{}, err
		}
		public, err := note.NewEd25519VerifierKey(signer, ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey))
		if err != nil {
			return NoteKey{}, err
		}
		hash := strings.Split(strings.TrimPrefix(public, signer+"+"), "+")[0]
		const ed25519Notes = 1
		private := fmt.Sprintf("PRIVATE+KEY+%s+%s+%s", signer, hash, base64.StdEncoding.EncodeToString(append([]byte{ed25519Notes}, seed...)))
		s, err := note.NewSigner(private)
		return NoteKey{s, public}, err
	})
}
