package bank

import (
	"time"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/kana"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/wire"
)

// Match is what a silent comparison found, per field. It goes into the evidence and the sealed decision log,
// never onto a page (L3).
type Match struct {
	Name  string `json:"name"` // "exact", "close", "none"
	Birth bool   `json:"birth_date"`
	Phone string `json:"phone"` // "same", "other", "none on file"
}

// onFile is what a comparison needs to know of an account.
type onFile struct {
	Account  Account
	Contacts []Contact
	Gate     ledger.Gate // the account's own
	PIN      PINRow
}

// compare judges an identity against what is on file (L6): birth date and phone exactly, the name in the
// sense of Confirmation of Payee. An account without a phone can be proved at an ATM or counter only, which
// is for the proof to see to.
func compare(who wire.Identity, f onFile) Match {
	m := Match{
		Name:  kana.Match(who.NameKana, f.Account.HolderKana).String(),
		Birth: who.BirthDate != "" && who.BirthDate == f.Account.BirthDate,
		Phone: noPhone,
	}
	for _, c := range f.Contacts {
		if c.Channel != SMS || !c.Current() {
			continue
		}
		if c.Address == who.Phone {
			m.Phone = "same"
			break
		}
		m.Phone = "other"
	}
	return m
}

// noPhone is a Match's word for an account without a phone.
const noPhone = "none on file"

// Full says that nothing speaks against the person; near that only a strong proof will do.
func (m Match) Full() (full, near bool) {
	full = m.Birth && m.Phone != "other" && m.Name != kana.None.String()
	return full, full && m.Name == kana.Close.String()
}

// barred says why an account takes no new link whatever the person proves, or "". What it says is for the
// decision log: the page shows what it always shows.
func (f onFile) barred(now time.Time) string {
	switch {
	case f.Account.Closed:
		return "account closed"
	case f.Gate.Shut != "":
		return "account " + f.Gate.Shut
	case len(f.PIN.Protected) == 0:
		return "no PIN"
	case now.Before(f.PIN.Pages.LockedUntil):
		return "locked"
	}
	return ""
}

// errNoSession is all that a browser learns of a request that is not its own, is over, or never was.
func errNoSession(op, why string) error {
	return &fault.Error{Kind: fault.Gone, Op: op, Public: fault.Text{
		JA: "この手続きは終わっているか、別のブラウザで始められています。お使いのサービスの画面から、もう一度始めてください。",
		EN: "This procedure is over, or was begun in another browser. Please start again from the service's own page.",
	}, Err: text(why)}
}

// text is a cause in words, for the log.
type text string

func (t text) Error() string { return string(t) }
