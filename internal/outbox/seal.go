package outbox

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"errors"
)

// Sealer keeps texts unreadable and unchangeable in a database. Each is bound to a label that names the row
// it belongs to: one row's text does not open in another.
type Sealer interface {
	Seal(plain []byte, label string) ([]byte, error)
	Open(sealed []byte, label string) ([]byte, error)
}

// KeySize is the size of a sealing key in bytes.
const KeySize = 32

// ErrSealed says that a text cannot be opened: another key, another label, or changed.
var ErrSealed = errors.New("outbox: the seal does not open")

// keyring is AES-256-GCM under the newest of some keys.
type keyring []sealKey

type sealKey struct {
	name [nameSize]byte
	aead cipher.AEAD
}

const (
	version  = 1
	nameSize = 4 // enough to tell a handful of keys apart; a clash only costs a second try
)

// NewSealer seals under the first key and opens under any: for a rotation, put the new key first and keep
// the old one until nothing under it is left. Keys are KeySize random bytes kept outside the database.
func NewSealer(keys ...[]byte) (Sealer, error) {
	if len(keys) == 0 {
		return nil, errors.New("outbox: no sealing key")
	}
	var ring keyring
	for _, k := range keys {
		if len(k) != KeySize {
			return nil, errors.New("outbox: a sealing key is not 32 bytes long")
		}
		block, err := aes.NewCipher(k)
		if err != nil {
			return nil, err
		}
		aead, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(append([]byte("kozamori seal key name "), k...))
		ring = append(ring, sealKey{name: [nameSize]byte(sum[:nameSize]), aead: aead})
	}
	return ring, nil
}

// Seal returns version, key name and ciphertext with its nonce.
func (r keyring) Seal(plain []byte, label string) ([]byte, error) {
	k := r[0]
	box := append([]byte{version}, k.name[:]...)
	return k.aead.Seal(box, nil, plain, []byte(label)), nil
}

// Open is Seal backwards.
func (r keyring) Open(sealed []byte, label string) ([]byte, error) {
	if len(sealed) < 1+nameSize || sealed[0] != version {
		return nil, ErrSealed
	}
	name := [nameSize]byte(sealed[1 : 1+nameSize])
	for _, k := range r {
		if k.name != name {
			continue
		}
		if plain, err := k.aead.Open(nil, nil, sealed[1+nameSize:], []byte(label)); err == nil {
			return plain, nil
		}
	}
	return nil, ErrSealed
}
