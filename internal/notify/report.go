package notify

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/observe"
)

// SignatureHeader carries the signature of a delivery report: "t=<unix seconds>,v1=<hex HMAC-SHA256>", the
// HMAC over "<t>.<body>". Several v1 may stand there while a secret is being changed.
const SignatureHeader = "Kozamori-Signature"

// Report is a carrier's word on one message: a receipt in the sense of rule L8.
type Report struct {
	ID     string `json:"id"`     // the gateway's
	Ref    string `json:"ref"`    // ours
	Status string `json:"status"` // "delivered", "failed"
	AtUs   int64  `json:"at_us"`  // when, in microseconds since 1970
}

// Delivered says whether the message reached the phone.
func (r Report) Delivered() bool { return r.Status == "delivered" }

// tolerance is how far a report's time may be from ours, either way.
const tolerance = 5 * time.Minute

// SignReport makes the header's value for a body, as a gateway does.
func SignReport(secret observe.Secret, body []byte, now time.Time) string {
	t := strconv.FormatInt(now.Unix(), 10)
	return "t=" + t + ",v1=" + hex.EncodeToString(mac(secret, t, body))
}

func mac(secret observe.Secret, t string, body []byte) []byte {
	h := hmac.New(sha256.New, []byte(secret.Reveal()))
	h.Write([]byte(t + "."))
	h.Write(body)
	return h.Sum(nil)
}

// VerifyReport checks the header over a body and reads the report. Anything wrong is fault.Unauthorised,
// whichever part it is; a signed body that is no report is fault.Invalid. A report may come twice: whoever
// takes it must not mind.
func VerifyReport(secret observe.Secret, header string, body []byte, now time.Time) (Report, error) {
	const op = "notify.VerifyReport"
	at, signatures, err := parseSignature(header)
	if err != nil || secret.Empty() {
		return Report{}, fault.New(fault.Unauthorised, op, errors.Join(err, errors.New("no usable signature")))
	}
	sent := time.Unix(at, 0)
	if d := now.Sub(sent); d > tolerance || d < -tolerance {
		return Report{}, fault.New(fault.Unauthorised, op, errors.New("the report is too old or from the future"))
	}
	want, good := mac(secret, strconv.FormatInt(at, 10), body), false
	for _, s := range signatures {
		good = hmac.Equal(s, want) || good
	}
	if !good {
		return Report{}, fault.New(fault.Unauthorised, op, errors.New("wrong signature"))
	}
	var r Report
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&r); err != nil {
		return Report{}, fault.New(fault.Invalid, op, err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) || r.ID == "" || r.Ref == "" || (r.Status != "delivered" && r.Status != "failed") {
		return Report{}, fault.New(fault.Invalid, op, errors.New("not a report"))
	}
	return r, nil
}

const maxSignatures = 4

// parseSignature reads "t=…,v1=…": exactly one time, one to four signatures, nothing unknown.
func parseSignature(header string) (at int64, signatures [][]byte, err error) {
	if len(header) > 400 {
		return 0, nil, errors.New("header too long")
	}
	at = -1
	for part := range strings.SplitSeq(header, ",") {
		name, value, _ := strings.Cut(part, "=")
		switch name {
		case "t":
			n, err := strconv.ParseInt(value, 10, 64)
			if err != nil || at >= 0 || n < 0 || strconv.FormatInt(n, 10) != value {
				return 0, nil, errors.New("t is wrong")
			}
			at = n
		case "v1":
			b, err := hex.DecodeString(value)
			if err != nil || len(b) != sha256.Size || len(signatures) == maxSignatures {
				return 0, nil, errors.New("v1 is wrong")
			}
			signatures = append(signatures, b)
		default:
			return 0, nil, errors.New("unknown part")
		}
	}
	if at < 0 || len(signatures) == 0 {
		return 0, nil, errors.New("a part is missing")
	}
	return at, signatures, nil
}
