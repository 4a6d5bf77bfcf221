// Package notify tells people: by e-mail over SMTP, and by SMS through a carrier's gateway whose delivery
// reports are signed. A message may be sent twice, never silently lost: what fails is an error that says
// whether trying again can help.
package notify

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/netip"
	"strconv"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/observe"
)

// Mail is a message in plain text.
type Mail struct {
	To      string // one address
	Subject string // one line, any language
	Text    string
}

// Mailer sends an e-mail. That it returns nil is no proof that anybody read it (L8).
type Mailer interface {
	SendMail(ctx context.Context, m Mail) error
}

// MailConfig says how mail leaves.
type MailConfig struct {
	Address  string         `toml:"address"`   // "smtp.example.jp:587"
	TLS      string         `toml:"tls"`       // "starttls" (the default), "tls", or "none" on this machine only
	From     string         `toml:"from"`      // "notice@bank.example"
	FromName string         `toml:"from_name"` // "第三銀行"
	Username string         `toml:"username"`
	Password observe.Secret `toml:"password"`
}

// sendTimeout bounds the whole conversation with a mail server.
const sendTimeout = 20 * time.Second

// Check says what is wrong with the configuration: everything, by the names of the settings.
func (c MailConfig) Check() error {
	var errs []error
	host, port, err := net.SplitHostPort(c.Address)
	if _, no := strconv.ParseUint(port, 10, 16); err != nil || no != nil || host == "" {
		errs = append(errs, errors.New("address: want HOST:PORT such as smtp.example.jp:587"))
	}
	if a, err := mail.ParseAddress(c.From); err != nil || a.Address != c.From {
		errs = append(errs, errors.New("from: want one plain address such as notice@bank.example.jp"))
	}
	switch c.TLS {
	case "", "starttls", "tls":
	case "none":
		if !loopback(host) {
			errs = append(errs, errors.New(`tls = "none": only to this machine`))
		}
		if c.Username != "" {
			errs = append(errs, errors.New(`tls = "none": a password would travel in the clear`))
		}
	default:
		errs = append(errs, errors.New(`tls: want "starttls", "tls" or "none"`))
	}
	return errors.Join(errs...)
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback()
}

// SMTP is a Mailer that opens a connection per message.
type SMTP struct {
	client *gomail.Client
	from   string
	name   string
	domain string
}

// NewSMTP makes a Mailer; it connects to nothing yet.
func NewSMTP(c MailConfig) (*SMTP, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	host, port, _ := net.SplitHostPort(c.Address) // Check has seen to it
	number, _ := strconv.Atoi(port)
	domain := c.From[strings.LastIndexByte(c.From, '@')+1:]
	options := []gomail.Option{gomail.WithPort(number), gomail.WithTimeout(sendTimeout), gomail.WithHELO(domain)}
	switch c.TLS {
	case "none":
		options = append(options, gomail.WithTLSPolicy(gomail.NoTLS))
	case "tls":
		options = append(options, gomail.WithSSL())
	default:
		options = append(options, gomail.WithTLSPolicy(gomail.TLSMandatory))
	}
	if c.Username != "" {
		options = append(options, gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover),
			gomail.WithUsername(c.Username), gomail.WithPassword(c.Password.Reveal()))
	}
	client, err := gomail.NewClient(host, options...)
	if err != nil {
		return nil, fmt.Errorf("mail: %w", err)
	}
	return &SMTP{client, c.From, c.FromName, domain}, nil
}

// SendMail sends one message. fault.Invalid: the server or we refuse it for good; fault.Unavailable: try
// again. Neither the address nor the text stands in the error.
func (s *SMTP) SendMail(ctx context.Context, m Mail) error {
	const op = "notify.SendMail"
	if strings.ContainsAny(m.Subject, "\r\n") {
		return fault.New(fault.Invalid, op, errors.New("a subject is one line"))
	}
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	if err := msg.FromFormat(s.name, s.from); err != nil {
		return fault.New(fault.Invalid, op, errors.New("the sender is not an address"))
	}
	if err := msg.To(m.To); err != nil {
		return fault.New(fault.Invalid, op, errors.New("the recipient is not an address"))
	}
	msg.Subject(m.Subject)
	msg.SetDate()
	msg.SetMessageIDWithValue(rand.Text() + "@" + s.domain)
	msg.SetGenHeader("Auto-Submitted", "auto-generated")
	msg.SetBodyString(gomail.TypeTextPlain, m.Text)
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	if err := s.client.DialAndSendWithContext(ctx, msg); err != nil {
		return fault.New(mailKind(err), op, errors.New(mailReason(err)))
	}
	return nil
}

func mailKind(err error) fault.Kind {
	if e, ok := errors.AsType[*gomail.SendError](err); ok && !e.IsTemp() && e.ErrorCode() >= 500 {
		return fault.Invalid
	}
	return fault.Unavailable
}

// mailReason keeps the server's code and the stage, and drops its words, which may repeat the address.
func mailReason(err error) string {
	if e, ok := errors.AsType[*gomail.SendError](err); ok {
		return fmt.Sprintf("mail server: %s, code %d", e.Reason, e.ErrorCode())
	}
	if e, ok := errors.AsType[*net.OpError](err); ok {
		return "mail server: " + e.Op + " failed"
	}
	return "mail server: no conversation"
}
