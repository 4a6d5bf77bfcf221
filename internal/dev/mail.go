package dev

import (
	"encoding/base64"
	"errors"
	"io"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"strings"

	"github.com/emersion/go-smtp"

	"github.com/kozamori/kozamori/internal/clock"
)

// maxMail bounds a letter.
const maxMail = 1 << 20

// newMailServer is the post office of dev: real SMTP, every address has a box.
func newMailServer(inbox *Inbox, now clock.Now) *smtp.Server {
	s := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &mailSession{inbox: inbox, now: now}, nil }))
	s.Domain = "localhost"
	s.MaxMessageBytes = maxMail
	s.MaxRecipients = 10
	return s
}

// serveMail answers on a listener until the server is closed.
func serveMail(s *smtp.Server, ln net.Listener) error {
	if err := s.Serve(ln); err != nil && !errors.Is(err, smtp.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

type mailSession struct {
	inbox *Inbox
	now   clock.Now
	to    []string
}

func (s *mailSession) Mail(string, *smtp.MailOptions) error { return nil }

func (s *mailSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = append(s.to, to)
	return nil
}

func (s *mailSession) Reset()        { s.to = nil }
func (s *mailSession) Logout() error { return nil }

func (s *mailSession) Data(r io.Reader) error {
	l, err := readMail(r)
	if err != nil {
		return err
	}
	l.At = s.now()
	for _, to := range s.to {
		l.To = to
		if err := s.inbox.Add(l); err != nil {
			return err
		}
	}
	return nil
}

// readMail reads a letter in plain text, as our roles send them.
func readMail(r io.Reader) (Letter, error) {
	m, err := mail.ReadMessage(io.LimitReader(r, maxMail))
	if err != nil {
		return Letter{}, err
	}
	body := m.Body
	switch strings.ToLower(m.Header.Get("Content-Transfer-Encoding")) {
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	}
	text, err := io.ReadAll(body)
	if err != nil {
		return Letter{}, err
	}
	var words mime.WordDecoder
	subject, err := words.DecodeHeader(m.Header.Get("Subject"))
	if err != nil {
		return Letter{}, err
	}
	from, err := (&mail.AddressParser{WordDecoder: &words}).Parse(m.Header.Get("From"))
	if err != nil {
		return Letter{}, err
	}
	name := from.Name
	if name == "" {
		name = from.Address
	}
	return Letter{Kind: "mail", From: name, Subject: subject, Text: strings.ReplaceAll(string(text), "\r\n", "\n")}, nil
}
