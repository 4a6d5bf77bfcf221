package wire

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/go-jose/go-jose/v4"
	"github.com/kozamori/kozamori/internal/fault"
)

// What a sealed text holds (the cty of its JWE): opened as anything else it is refused.
const (
	ctyIdentity = "JWT"
	CtyBrowser  = "kozamori-browser" // rs of an Activation
)

// Seal encrypts to one receiver: JWE, ECDH-ES, A256GCM, never compressed (lengths would tell contents).
func Seal(to PublicSealKey, plaintext []byte, cty string) (string, error) {
	if to.key == nil {
		return "", fault.New(fault.Internal, "wire.Seal", errors.New("no key"))
	}
	enc, err := jose.NewEncrypter(jose.A256GCM,
		jose.Recipient{Algorithm: jose.ECDH_ES, Key: to.key, KeyID: to.kid},
		(&jose.EncrypterOptions{}).WithContentType(jose.ContentType(cty)))
	if err != nil {
		return "", fault.New(fault.Internal, "wire.Seal", err)
	}
	jwe, err := enc.Encrypt(plaintext)
	if err != nil {
		return "", fault.New(fault.Internal, "wire.Seal", err)
	}
	sealed, err := jwe.CompactSerialize()
	if err == nil && len(sealed) > maxMessage {
		return "", fault.New(fault.Internal, "wire.Seal", errors.New("too long for anybody to open"))
	}
	return sealed, err
}

// Open decrypts what was sealed to one of the keys with this cty. Any other algorithm, compression and further
// header parameters are refused with fault.Invalid.
func Open(keys []SealKey, sealed, cty string) ([]byte, error) {
	plaintext, err := open(keys, sealed, cty)
	if err != nil {
		return nil, &fault.Error{Kind: fault.Invalid, Op: "wire.Open", Err: err}
	}
	return plaintext, nil
}

func open(keys []SealKey, sealed, cty string) ([]byte, error) {
	if len(sealed) > maxMessage {
		return nil, errors.New("too long")
	}
	head, _, ok := strings.Cut(sealed, ".")
	if !ok {
		return nil, errors.New("not a compact JWE")
	}
	raw, err := unbase64(head)
	if err != nil {
		return nil, err
	}
	var h struct {
		Alg string          `json:"alg"`
		Enc string          `json:"enc"`
		Kid string          `json:"kid"`
		Cty string          `json:"cty"`
		Epk json.RawMessage `json:"epk"`
	}
	if err := DecodeStrict(raw, &h); err != nil {
		return nil, err
	}
	if h.Alg != string(jose.ECDH_ES) || h.Enc != string(jose.A256GCM) || h.Cty != cty {
		return nil, fmt.Errorf("alg %.20q, enc %.20q, cty %.40q", h.Alg, h.Enc, h.Cty)
	}
	for _, key := range keys {
		if key.kid == h.Kid && h.Kid != "" {
			return key.open(sealed)
		}
	}
	return nil, fmt.Errorf("no key %.60q", h.Kid)
}

func (k SealKey) open(sealed string) ([]byte, error) {
	jwe, err := jose.ParseEncryptedCompact(sealed,
		[]jose.KeyAlgorithm{jose.ECDH_ES}, []jose.ContentEncryption{jose.A256GCM})
	if err != nil {
		return nil, err
	}
	return jwe.Decrypt(k.secret())
}

// SealIdentity signs an identity and seals it to the bank.
func SealIdentity(sign Key, to PublicSealKey, who *Identity) (string, error) {
	signed, err := Sign(sign, who)
	if err != nil {
		return "", err
	}
	return Seal(to, []byte(signed), ctyIdentity)
}

// OpenIdentity opens an identity and verifies the service's signature in it. Only after account entry (L6).
func OpenIdentity(keys []SealKey, sealed string, from KeySet, want Expect) (*Identity, error) {
	signed, err := Open(keys, sealed, ctyIdentity)
	if err != nil {
		return nil, err
	}
	return Verify[Identity](string(signed), from, want)
}
