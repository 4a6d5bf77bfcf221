package config

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/kozamori/kozamori/internal/observe"
)

// Problems collects what is wrong with a configuration, so that one start names everything. Each problem names its
// setting as the file writes it: "[server] listen".
type Problems struct{ errs []error }

// Add notes what is wrong with a setting, and what is allowed. A value that may be a secret is never part of it.
func (p *Problems) Add(setting, format string, args ...any) {
	p.errs = append(p.errs, fmt.Errorf("%s: "+format, append([]any{setting}, args...)...))
}

// Join notes the problems of a part that does not know in which section it stands: "[mail]", or "" where it does.
// nil is none.
func (p *Problems) Join(section string, err error) {
	if err == nil {
		return
	}
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		for _, one := range many.Unwrap() {
			p.Join(section, one)
		}
		return
	}
	if section != "" {
		err = fmt.Errorf("%s %w", section, err)
	}
	p.errs = append(p.errs, err)
}

// Needed notes a setting that is not there.
func (p *Problems) Needed(setting, value string) {
	if value == "" {
		p.Add(setting, "is needed")
	}
}

// Word notes a name that is no plain word: it becomes part of ids in databases and of paths.
func (p *Problems) Word(setting, name string) {
	if name == "" || len(name) > 32 || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
		p.Add(setting, "%q: want 1 to 32 of a-z, 0-9, - and _", name)
	}
}

// Origin notes what is no origin as browsers write it: https, or in dev http to this machine.
func (p *Problems) Origin(setting, text string, dev bool) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme+"://"+u.Host != text || text != strings.ToLower(text) {
		p.Add(setting, "%q is no origin in lower case, without path and slash at its end, such as https://wallet.example.jp", text)
		return
	}
	local := u.Hostname() == "localhost" || strings.HasSuffix(u.Hostname(), ".localhost")
	switch {
	case u.Scheme == "https", u.Scheme == "http" && dev && local:
	case u.Scheme == "http" && local:
		p.Add(setting, "%q must begin with https:// (http:// to this machine is for dev = true)", text)
	default:
		p.Add(setting, "%q must begin with https://", text)
	}
}

// Listeners notes what is wrong with where a role listens. In dev that is this machine only, without TLS or proxy:
// keys that `kozamori dev` made protect nobody.
func (p *Problems) Listeners(server, ops observe.ServerConfig, dev bool) {
	p.Join("[server]", server.Check())
	if ops != (observe.ServerConfig{}) {
		p.Join("[ops]", ops.Check())
	}
	if ops.Listen != "" && ops.Listen == server.Listen && !strings.HasSuffix(ops.Listen, ":0") {
		p.Add("[ops] listen", "%q is where [server] listens", ops.Listen)
	}
	if dev && (server.HTTPS() || !server.Local()) {
		p.Add("dev", "true is for this machine only: [server] listen must be a loopback address, without tls_cert and behind_proxy")
	}
}

// DevOnly notes a setting that only dev may have.
func (p *Problems) DevOnly(setting, value string, dev bool) {
	if value != "" && !dev {
		p.Add(setting, "is for dev = true only")
	}
}

// Err is all problems as one error, a line each; nil where there is none.
func (p *Problems) Err() error {
	switch len(p.errs) {
	case 0:
		return nil
	case 1:
		return p.errs[0]
	}
	return &manyProblems{p.errs}
}

type manyProblems struct{ errs []error }

func (m *manyProblems) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d problems", len(m.errs))
	for _, err := range m.errs {
		b.WriteString("\n  " + err.Error())
	}
	return b.String()
}

// Unwrap gives each to errors.Is, and to a Join.
func (m *manyProblems) Unwrap() []error { return m.errs }
