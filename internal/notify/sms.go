package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"time"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/observe"
)

// ShortMessage is an SMS.
type ShortMessage struct {
	To   string // E.164: "+819012345678"
	Text string
	Ref  string // ours; comes back in the delivery report, and lets the gateway drop a repeat
}

// SMS hands a message to a carrier. The id is the gateway's; delivery is told later, by a Report.
type SMS interface {
	SendSMS(ctx context.Context, m ShortMessage) (id string, err error)
}

// GatewayConfig says where the carrier's gateway is.
type GatewayConfig struct {
	URL          string         `toml:"url"`           // takes POST {to, text, ref}, answers {id}
	Secret       observe.Secret `toml:"secret"`        // bearer secret of our calls
	ReportSecret observe.Secret `toml:"report_secret"` // signs the gateway's delivery reports
}

// Check says what is wrong with the configuration: everything, by the names of the settings.
func (c GatewayConfig) Check() error {
	var errs []error
	u, err := url.Parse(c.URL)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" {
		errs = append(errs, errors.New("url: want an address such as https://gateway.example/messages"))
	} else if local := loopback(u.Hostname()) || localhostName.MatchString(u.Hostname()); u.Scheme != "https" && !(u.Scheme == "http" && local) {
		errs = append(errs, errors.New("url: must begin with https:// (http:// is only for this machine)"))
	}
	if c.Secret.Empty() {
		errs = append(errs, errors.New("secret: is needed"))
	}
	if c.ReportSecret.Empty() {
		errs = append(errs, errors.New("report_secret: is needed"))
	}
	return errors.Join(errs...)
}

var localhostName = regexp.MustCompile(`^([a-z0-9-]+\.)+localhost$`)

// Gateway is an SMS over a carrier's HTTP interface.
type Gateway struct {
	url    string
	secret observe.Secret
	client *http.Client
}

const gatewayTimeout = 10 * time.Second

// NewGateway makes an SMS. transport is nil for the ordinary one.
func NewGateway(c GatewayConfig, transport http.RoundTripper) (*Gateway, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	client := &http.Client{
		Transport:     transport,
		Timeout:       gatewayTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return &Gateway{c.URL, c.Secret, client}, nil
}

var e164 = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)

// maxAnswer bounds what is read from a gateway.
const maxAnswer = 16 << 10

// SendSMS hands over one message. fault.Invalid: it will never be taken; fault.Unavailable: try again with the
// same Ref. Neither number nor text stands in the error.
func (g *Gateway) SendSMS(ctx context.Context, m ShortMessage) (string, error) {
	const op = "notify.SendSMS"
	if !e164.MatchString(m.To) || m.Text == "" || m.Ref == "" {
		return "", fault.New(fault.Invalid, op, errors.New("number, text and reference are needed"))
	}
	body, err := json.Marshal(map[string]string{"to": m.To, "text": m.Text, "ref": m.Ref})
	if err != nil {
		return "", fault.New(fault.Invalid, op, errors.New("the text cannot be sent"))
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, g.url, bytes.NewReader(body))
	if err != nil {
		return "", fault.New(fault.Invalid, op, err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+g.secret.Reveal())
	resp, err := g.client.Do(req)
	if err != nil {
		return "", fault.New(fault.Unavailable, op, errors.New("the gateway does not answer"))
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	switch {
	case err != nil:
		return "", fault.New(fault.Unavailable, op, errors.New("the gateway's answer broke off"))
	case resp.StatusCode == http.StatusBadRequest || resp.StatusCode == http.StatusUnprocessableEntity:
		return "", fault.New(fault.Invalid, op, fmt.Errorf("the gateway refuses: %d", resp.StatusCode))
	case resp.StatusCode/100 != 2: // a wrong secret (401) too: the operator can mend it, the message waits
		return "", fault.New(fault.Unavailable, op, fmt.Errorf("the gateway answers %d", resp.StatusCode))
	}
	var got struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(answer, &got); err != nil || got.ID == "" {
		return "", fault.New(fault.Unavailable, op, errors.New("the gateway's answer has no id"))
	}
	return got.ID, nil
}
