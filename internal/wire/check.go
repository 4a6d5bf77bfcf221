package wire

import (
	"errors"
	"fmt"
	"time"

	"github.com/kozamori/kozamori/internal/money"
)

// checker is a message that can tell whether its fields have a possible shape. What they mean (is this link
// known, is this amount allowed) is for the receiver.
type checker interface{ check() error }

func checkMessage(m Message) error {
	if c, ok := m.(checker); ok {
		return c.check()
	}
	return nil
}

// field is a text of a message that names something.
type field struct{ name, value string }

// checkFields wants every field filled with at most 256 printable ASCII characters.
func checkFields(fields ...field) error {
	for _, f := range fields {
		if !token(f.value, 256) {
			return fmt.Errorf("%s is missing or malformed", f.name)
		}
	}
	return nil
}

// token says whether s is 1 to max printable ASCII characters without spaces.
func token(s string, max int) bool {
	if s == "" || len(s) > max {
		return false
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// digest says whether s is a base64url SHA-256.
func digest(s string) bool {
	b, err := unbase64(s)
	return err == nil && len(b) == 32
}

func checkHashes(fields ...field) error {
	for _, f := range fields {
		if !digest(f.value) {
			return fmt.Errorf("%s is not a SHA-256 in base64url", f.name)
		}
	}
	return nil
}

func checkAmount(amount money.Yen) error {
	if amount <= 0 || amount > money.Max {
		return errors.New("amount is out of range")
	}
	return nil
}

func checkDate(name, value string) error {
	if _, err := time.Parse(time.DateOnly, value); err != nil {
		return fmt.Errorf("%s is not a date", name)
	}
	return nil
}

func (m *LinkRequest) check() error {
	return errors.Join(
		checkFields(field{"request", string(m.Request)}),
		checkHashes(field{"details_hash", m.DetailsHash}, field{"browser_hash", m.Browser}),
		checkURL("redirect_uri", m.RedirectURI))
}

func (m *Identity) check() error {
	err := errors.Join(
		checkFields(field{"request", string(m.Request)}, field{"subject", string(m.Subject)}, field{"phone", m.Phone}),
		checkHashes(field{"details_hash", m.DetailsHash}),
		checkDate("birth_date", m.BirthDate))
	if m.NameKana == "" || len(m.NameKana) > 300 {
		err = errors.Join(err, errors.New("name_kana is missing or too long"))
	}
	return err
}

func (m *Activation) check() error {
	err := checkFields(field{"request", string(m.Request)})
	if !token(m.Browser, 4096) {
		err = errors.Join(err, errors.New("browser is missing or malformed"))
	}
	return err
}

func (m *Abort) check() error {
	return checkFields(field{"request", string(m.Request)}, field{"reason", m.Reason})
}

func (m *LinkReport) check() error {
	err := checkFields(field{"request", string(m.Request)}, field{"subject", string(m.Subject)})
	if m.State != LinkDead {
		err = errors.Join(err, checkFields(field{"link", string(m.Link)}, field{"pseudonym", string(m.Pseudonym)}))
	}
	if m.Change != "" {
		err = errors.Join(err, checkFields(field{"change", m.Change}))
	}
	switch m.State {
	case LinkWaiting, LinkCooling, LinkLimited, LinkActive, LinkSuspended, LinkRevoked, LinkExpired, LinkDead:
		return err
	}
	return errors.Join(err, fmt.Errorf("state is %.40q", m.State))
}

func (m *LinkChange) check() error {
	return checkFields(field{"change", m.Change}, field{"link", string(m.Link)}, field{"kind", m.Kind})
}

func (m *DebitOrder) check() error {
	err := errors.Join(
		checkFields(field{"link", string(m.Link)}, field{"debit", string(m.Debit)},
			field{"subject", string(m.Subject)}, field{"wallet_account", m.WalletAccount}),
		checkAmount(m.Amount))
	if m.AgreedUs <= 0 {
		err = errors.Join(err, errors.New("agreed_us is missing"))
	}
	return err
}

func (m *DebitReceipt) check() error {
	err := errors.Join(
		checkFields(field{"link", string(m.Link)}, field{"debit", string(m.Debit)}, field{"wallet_account", m.WalletAccount}),
		checkHashes(field{"order_hash", m.OrderHash}),
		checkAmount(m.Amount))
	switch m.Outcome {
	case Booked, Refused, Never, Pending:
		return err
	}
	return errors.Join(err, fmt.Errorf("outcome is %.40q", m.Outcome))
}

func (m *Resolve) check() error {
	return errors.Join(
		checkFields(field{"link", string(m.Link)}, field{"debit", string(m.Debit)}, field{"wallet_account", m.WalletAccount}),
		checkHashes(field{"order_hash", m.OrderHash}),
		checkAmount(m.Amount))
}

func (m *Reversal) check() error {
	return errors.Join(
		checkFields(field{"reversal", m.Reversal}, field{"link", string(m.Link)}, field{"debit", string(m.Debit)}),
		checkHashes(field{"order_hash", m.OrderHash}),
		checkAmount(m.Amount))
}

func (m *ReversalReceipt) check() error {
	err := errors.Join(
		checkFields(field{"reversal", m.Reversal}, field{"link", string(m.Link)}, field{"debit", string(m.Debit)}),
		checkAmount(m.Amount))
	if m.Outcome != "reversed" && m.Outcome != "refused" {
		err = errors.Join(err, fmt.Errorf("outcome is %.40q", m.Outcome))
	}
	return err
}

func (m *Statement) check() error {
	err := errors.Join(checkDate("day", m.Day), m.checkRange())
	for _, line := range m.Lines {
		if line.Kind != "debit" && line.Kind != "reversal" {
			return errors.Join(err, fmt.Errorf("kind is %.40q", line.Kind))
		}
		if e := errors.Join(
			checkFields(field{"debit", string(line.Debit)}, field{"link", string(line.Link)}),
			checkHashes(field{"receipt_hash", line.Receipt}),
			checkAmount(line.Amount)); e != nil {
			return errors.Join(err, e)
		}
	}
	return err
}
