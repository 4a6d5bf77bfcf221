package wire

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/money"
)

// TypeAccountLink is the one authorization_details type of ours (RFC 9396).
const TypeAccountLink = "account_link"

// MinLevel is the identity level a link needs (L4).
const MinLevel = 2

const maxDetails = 8 << 10 // bytes

// ParseDetails reads an authorization_details text: an array of exactly one account_link. What is malformed is
// fault.Invalid; a level below MinLevel is refused by L4. The text itself is what details_hash is taken over.
func ParseDetails(text string) (AccountLink, error) {
	var list []AccountLink
	if len(text) > maxDetails {
		return AccountLink{}, invalidDetails(errors.New("too long"))
	}
	if err := DecodeStrict([]byte(text), &list); err != nil {
		return AccountLink{}, invalidDetails(err)
	}
	if len(list) != 1 {
		return AccountLink{}, invalidDetails(fmt.Errorf("%d objects where one belongs", len(list)))
	}
	if err := list[0].check(); err != nil {
		return AccountLink{}, invalidDetails(err)
	}
	if list[0].Level < MinLevel {
		return AccountLink{}, fault.Refuse("L4", "wire.ParseDetails", fault.Text{
			JA: "本人確認が済んでいない方は、口座を連携できません。",
			EN: "A bank account can be linked only after your identity was confirmed."})
	}
	return list[0], nil
}

func invalidDetails(err error) error {
	return &fault.Error{Kind: fault.Invalid, Op: "wire.ParseDetails", Err: err}
}

// Details writes the authorization_details text of a link, which ParseDetails reads.
func Details(link AccountLink) (string, error) {
	b, err := json.Marshal([]AccountLink{link})
	if err != nil {
		return "", fault.New(fault.Internal, "wire.Details", err)
	}
	if _, err := ParseDetails(string(b)); err != nil {
		return "", err
	}
	return string(b), nil
}

func (l AccountLink) check() error {
	if l.Type != TypeAccountLink {
		return fmt.Errorf("type is %.40q", l.Type)
	}
	if l.Level < 0 || l.Level > 9 {
		return errors.New("level is out of range")
	}
	return errors.Join(
		checkFields(field{"service", string(l.Service)}, field{"subject", string(l.Subject)}),
		l.Limits.check(),
		checkDate("valid_until", l.ValidUntil),
		l.Device.Check())
}

// check wants 0 < per debit <= per 24 hours <= per 30 days.
func (l Limits) check() error {
	if l.PerDebit <= 0 || l.Per24h < l.PerDebit || l.Per30Days < l.Per24h || l.Per30Days > money.Max {
		return errors.New("limits do not rise from debit to day to month")
	}
	return nil
}

// checkURL wants an absolute https URL without user, fragment or tricks, or http below .localhost.
func checkURL(name, text string) error {
	if _, err := parseURL(text); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func parseURL(text string) (*url.URL, error) {
	if !token(text, 2048) {
		return nil, errors.New("not a URL")
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Opaque != "" {
		return nil, errors.New("not an absolute URL")
	}
	if u.User != nil || strings.Contains(text, "#") || strings.ContainsAny(text, "\\\"<>") {
		return nil, errors.New("a URL with user, fragment or odd characters")
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !local(u.Hostname())) {
		return nil, errors.New("neither https nor http on this machine")
	}
	return u, nil
}

// local says whether a host name can only mean this machine (RFC 6761, section 6.3).
func local(host string) bool {
	host = strings.ToLower(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || host == "127.0.0.1" || host == "::1"
}
