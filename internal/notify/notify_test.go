package notify

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/http"
	"net/http/httptest"
	"net/mail"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/observe"
)

// sink is a mail server that keeps what it is given.
type sink struct {
	mu     sync.Mutex
	refuse *smtp.SMTPError
	mails  []received
}

type received struct{ from, to, data string }

type conversation struct {
	sink *sink
	got  received
}

func (s *sink) NewSession(*smtp.Conn) (smtp.Session, error) { return &conversation{sink: s}, nil }

func (c *conversation) Reset()        {}
func (c *conversation) Logout() error { return nil }
func (c *conversation) Mail(from string, _ *smtp.MailOptions) error {
	c.got.from = from
	return nil
}
func (c *conversation) Rcpt(to string, _ *smtp.RcptOptions) error {
	if c.sink.refuse != nil {
		return c.sink.refuse
	}
	c.got.to = to
	return nil
}
func (c *conversation) Data(r io.Reader) error {
	b, err := io.ReadAll(r)
	c.got.data = string(b)
	c.sink.mu.Lock()
	defer c.sink.mu.Unlock()
	c.sink.mails = append(c.sink.mails, c.got)
	return err
}

func startSink(t *testing.T) (*sink, string) {
	t.Helper()
	s := &sink{}
	srv := smtp.NewServer(s)
	srv.Domain = "sink.example"
	srv.AllowInsecureAuth = false
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ln) }()
	t.Cleanup(func() { srv.Close(); <-done })
	return s, ln.Addr().String()
}

func TestMailArrives(t *testing.T) {
	s, addr := startSink(t)
	m, err := NewSMTP(MailConfig{Address: addr, TLS: "none", From: "notice@bank.example", FromName: "三十三銀行"})
	if err != nil {
		t.Fatal(err)
	}
	text := "まるペイへのリンクの申し込みがありました。\n覚えがないときは、次のページで止めてください。\nhttps://bank.example/stop/…\n"
	if err := m.SendMail(t.Context(), Mail{To: "hana@example.jp", Subject: "口座リンクの申し込みがありました（まるペイ）確認番号をご確認ください", Text: text}); err != nil {
		t.Fatal(err)
	}
	got := s.mails[0]
	msg, err := mail.ReadMessage(strings.NewReader(got.data))
	if err != nil {
		t.Fatal(err)
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(msg.Header.Get("Subject"))
	if err != nil || subject != "口座リンクの申し込みがありました（まるペイ）確認番号をご確認ください" {
		t.Errorf("subject %q %v", subject, err)
	}
	from, err := msg.Header.AddressList("From")
	if err != nil || from[0].Name != "三十三銀行" || from[0].Address != "notice@bank.example" {
		t.Errorf("from %v %v", from, err)
	}
	if got.from != "notice@bank.example" || got.to != "hana@example.jp" || !strings.HasSuffix(msg.Header.Get("Message-Id"), "@bank.example>") || msg.Header.Get("Auto-Submitted") != "auto-generated" {
		t.Errorf("%+v %v", got, msg.Header)
	}
	if kind, params, _ := mime.ParseMediaType(msg.Header.Get("Content-Type")); kind != "text/plain" || !strings.EqualFold(params["charset"], "utf-8") {
		t.Errorf("%s %v", kind, params)
	}
	body := decoded(t, msg)
	if strings.ReplaceAll(body, "\r\n", "\n") != text {
		t.Errorf("text %q", body)
	}
}

func TestMailRefused(t *testing.T) {
	s, addr := startSink(t)
	m, err := NewSMTP(MailConfig{Address: addr, TLS: "none", From: "notice@bank.example"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		refuse *smtp.SMTPError
		want   fault.Kind
	}{
		{&smtp.SMTPError{Code: 550, Message: "no hana@example.jp here"}, fault.Invalid},
		{&smtp.SMTPError{Code: 451, Message: "later, hana@example.jp"}, fault.Unavailable},
	} {
		s.refuse = c.refuse
		err := m.SendMail(t.Context(), Mail{To: "hana@example.jp", Subject: "x", Text: "code 482915"})
		if fault.Of(err) != c.want {
			t.Errorf("%d: %v", c.refuse.Code, err)
		}
		if strings.Contains(err.Error(), "hana") || strings.Contains(err.Error(), "482915") {
			t.Errorf("the error tells too much: %v", err)
		}
	}
	s.refuse = nil
	for name, bad := range map[string]Mail{
		"two lines":    {To: "hana@example.jp", Subject: "x\r\nBcc: evil@example.jp", Text: "x"},
		"no address":   {To: "hana", Subject: "x", Text: "x"},
		"two in one":   {To: "hana@example.jp, evil@example.jp", Subject: "x", Text: "x"},
		"header in it": {To: "hana@example.jp\r\nBcc: evil@example.jp", Subject: "x", Text: "x"},
	} {
		if err := m.SendMail(t.Context(), bad); fault.Of(err) != fault.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(s.mails) != 0 {
		t.Errorf("%d mails went out", len(s.mails))
	}
	nobody, err := NewSMTP(MailConfig{Address: "127.0.0.1:1", TLS: "none", From: "notice@bank.example"})
	if err != nil {
		t.Fatal(err)
	}
	if err := nobody.SendMail(t.Context(), Mail{To: "hana@example.jp", Subject: "x", Text: "x"}); fault.Of(err) != fault.Unavailable {
		t.Errorf("no server: %v", err)
	}
	plain, err := NewSMTP(MailConfig{Address: addr, From: "notice@bank.example"})
	if err != nil {
		t.Fatal(err)
	}
	if err := plain.SendMail(t.Context(), Mail{To: "hana@example.jp", Subject: "x", Text: "x"}); fault.Of(err) != fault.Unavailable || len(s.mails) != 0 {
		t.Errorf("a server without STARTTLS was spoken to in the clear: %v", err)
	}
}

func TestMailConfig(t *testing.T) {
	good := MailConfig{Address: "smtp.example.jp:587", From: "notice@bank.example", Username: "u", Password: "p"}
	for _, c := range []struct {
		change func(*MailConfig)
		want   string
	}{
		{func(*MailConfig) {}, ""},
		{func(c *MailConfig) { c.TLS = "tls" }, ""},
		{func(c *MailConfig) { c.TLS = "none" }, "only to this machine"},
		{func(c *MailConfig) { c.TLS, c.Address = "none", "127.0.0.1:25" }, "in the clear"},
		{func(c *MailConfig) { c.TLS = "maybe" }, "want"},
		{func(c *MailConfig) { c.Address = "smtp.example.jp" }, "HOST:PORT"},
		{func(c *MailConfig) { c.Address = "smtp.example.jp:x" }, "HOST:PORT"},
		{func(c *MailConfig) { c.From = "Bank <notice@bank.example>" }, "one plain address"},
	} {
		cfg := good
		c.change(&cfg)
		if err := cfg.Check(); (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", cfg, err, c.want)
		}
	}
}

func gateway(t *testing.T, h http.HandlerFunc) *Gateway {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	g, err := NewGateway(GatewayConfig{URL: srv.URL + "/messages", Secret: "s3cret", ReportSecret: "r3port"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestSMS(t *testing.T) {
	var got map[string]string
	g := gateway(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer s3cret" || r.Method != "POST" || r.URL.Path != "/messages" {
			w.WriteHeader(401)
			return
		}
		if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
			t.Error(err)
		}
		_, _ = io.WriteString(w, `{"id":"gw-1"}`)
	})
	id, err := g.SendSMS(t.Context(), ShortMessage{To: "+819012345678", Text: "三十三銀行: 番号 482915", Ref: "ntc_1"})
	if err != nil || id != "gw-1" || got["to"] != "+819012345678" || got["text"] != "三十三銀行: 番号 482915" || got["ref"] != "ntc_1" || len(got) != 3 {
		t.Fatalf("%q %v %v", id, err, got)
	}
}

func TestSMSFailures(t *testing.T) {
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		want   fault.Kind
	}{
		"refused":      {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "482915 +819012345678", 400) }, fault.Invalid},
		"wrong secret": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) }, fault.Unavailable},
		"busy":         {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(429) }, fault.Unavailable},
		"broken":       {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, fault.Unavailable},
		"no id":        {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{}`) }, fault.Unavailable},
		"no JSON":      {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `482915`) }, fault.Unavailable},
		"redirect": {func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/elsewhere" {
				_, _ = io.WriteString(w, `{"id":"stolen"}`)
				return
			}
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		}, fault.Unavailable},
		"cut off": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, fault.Unavailable},
	} {
		_, err := gateway(t, c.answer).SendSMS(t.Context(), ShortMessage{To: "+819012345678", Text: "482915", Ref: "ntc_1"})
		if err == nil || fault.Of(err) != c.want {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, leak := range []string{"482915", "+81", "s3cret"} {
			if strings.Contains(err.Error(), leak) {
				t.Errorf("%s: the error tells %s: %v", name, leak, err)
			}
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	g := gateway(t, func(http.ResponseWriter, *http.Request) { t.Error("a cancelled message was sent") })
	if _, err := g.SendSMS(ctx, ShortMessage{To: "+819012345678", Text: "x", Ref: "r"}); fault.Of(err) != fault.Unavailable {
		t.Errorf("%v", err)
	}
	for _, bad := range []ShortMessage{{To: "09012345678", Text: "x", Ref: "r"}, {To: "+819012345678", Ref: "r"}, {To: "+819012345678", Text: "x"}} {
		if _, err := g.SendSMS(t.Context(), bad); fault.Of(err) != fault.Invalid {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}

func TestGatewayConfig(t *testing.T) {
	for url, ok := range map[string]bool{
		"https://gateway.example/m": true, "http://127.0.0.1:9/m": true, "http://inbox.localhost:8400/m": true, "http://localhost/m": true,
		"http://gateway.example/m": false, "http://localhost.evil.example/m": false, "http://evillocalhost/m": false, "ftp://127.0.0.1/m": false, "https://u:p@gateway.example/m": false, "/m": false, "": false,
	} {
		if err := (GatewayConfig{URL: url, Secret: "a", ReportSecret: "b"}).Check(); (err == nil) != ok {
			t.Errorf("%q: %v", url, err)
		}
	}
	if err := (GatewayConfig{URL: "https://gateway.example/m", Secret: "a"}).Check(); err == nil {
		t.Error("without a secret for reports")
	}
}

var reportAt = time.Date(2026, 11, 23, 4, 5, 6, 0, time.UTC)

const (
	reportSecret = observe.Secret("r3port")
	reportBody   = `{"id":"gw-1","ref":"ntc_1","status":"delivered","at_us":1795406706000000}`
)

func TestReport(t *testing.T) {
	header := SignReport(reportSecret, []byte(reportBody), reportAt)
	r, err := VerifyReport(reportSecret, header, []byte(reportBody), reportAt.Add(4*time.Minute))
	if err != nil || r.ID != "gw-1" || r.Ref != "ntc_1" || !r.Delivered() || r.AtUs != 1795406706000000 {
		t.Fatalf("%+v %v", r, err)
	}
	other := SignReport("n3xt", []byte(reportBody), reportAt)
	both := header + "," + strings.Split(other, ",")[1]
	for _, secret := range []observe.Secret{reportSecret, "n3xt"} {
		if _, err := VerifyReport(secret, both, []byte(reportBody), reportAt); err != nil {
			t.Errorf("while the secret is being changed: %v", err)
		}
	}
}

func TestReportRefused(t *testing.T) {
	good := SignReport(reportSecret, []byte(reportBody), reportAt)
	time0, v1, _ := strings.Cut(good, ",")
	for name, c := range map[string]struct {
		secret       observe.Secret
		header, body string
		now          time.Time
		want         fault.Kind
	}{
		"wrong secret":     {"other", good, reportBody, reportAt, fault.Unauthorised},
		"empty secret":     {"", SignReport("", []byte(reportBody), reportAt), reportBody, reportAt, fault.Unauthorised},
		"other body":       {reportSecret, good, strings.Replace(reportBody, "ntc_1", "ntc_2", 1), reportAt, fault.Unauthorised},
		"old":              {reportSecret, good, reportBody, reportAt.Add(6 * time.Minute), fault.Unauthorised},
		"from the future":  {reportSecret, good, reportBody, reportAt.Add(-6 * time.Minute), fault.Unauthorised},
		"time changed":     {reportSecret, strings.Replace(good, "t=1", "t=2", 1), reportBody, reportAt, fault.Unauthorised},
		"no header":        {reportSecret, "", reportBody, reportAt, fault.Unauthorised},
		"time only":        {reportSecret, time0, reportBody, reportAt, fault.Unauthorised},
		"signature only":   {reportSecret, v1, reportBody, reportAt, fault.Unauthorised},
		"two times":        {reportSecret, time0 + "," + good, reportBody, reportAt, fault.Unauthorised},
		"five signatures":  {reportSecret, time0 + strings.Repeat(","+v1, 5), reportBody, reportAt, fault.Unauthorised},
		"unknown part":     {reportSecret, good + ",v0=00", reportBody, reportAt, fault.Unauthorised},
		"short signature":  {reportSecret, good[:len(good)-2], reportBody, reportAt, fault.Unauthorised},
		"signed, no JSON":  {reportSecret, SignReport(reportSecret, []byte("x"), reportAt), "x", reportAt, fault.Invalid},
		"signed, other":    {reportSecret, SignReport(reportSecret, []byte(`{"id":"a","ref":"b","status":"read"}`), reportAt), `{"id":"a","ref":"b","status":"read"}`, reportAt, fault.Invalid},
		"signed, trailing": {reportSecret, SignReport(reportSecret, []byte(reportBody+"{}"), reportAt), reportBody + "{}", reportAt, fault.Invalid},
	} {
		if _, err := VerifyReport(c.secret, c.header, []byte(c.body), c.now); err == nil || fault.Of(err) != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// No header that was not made with the secret is accepted, and what parses has exactly its parts.
func FuzzReportHeader(f *testing.F) {
	good := SignReport("another", []byte(reportBody), reportAt)
	f.Add(good)
	f.Add("t=1,v1=" + strings.Repeat("0", 64))
	f.Add("t=1,t=1,v1=")
	f.Fuzz(func(t *testing.T, header string) {
		if _, err := VerifyReport(reportSecret, header, []byte(reportBody), reportAt); err == nil {
			t.Fatalf("%q was accepted", header)
		}
		at, signatures, err := parseSignature(header)
		if err == nil && (at < 0 || len(signatures) == 0 || len(signatures) > maxSignatures || strings.Count(header, ",") != len(signatures)) {
			t.Fatalf("%q: %d, %d signatures", header, at, len(signatures))
		}
	})
}

// decoded is a mail's text without its transfer encoding.
func decoded(t *testing.T, m *mail.Message) string {
	t.Helper()
	var r io.Reader = m.Body
	switch strings.ToLower(m.Header.Get("Content-Transfer-Encoding")) {
	case "quoted-printable":
		r = quotedprintable.NewReader(r)
	case "base64":
		r = base64.NewDecoder(base64.StdEncoding, r)
	}
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
