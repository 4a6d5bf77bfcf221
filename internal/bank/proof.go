package bank

import (
	"time"

	"github.com/kozamori/kozamori/internal/id"
)

// ProofKind is how possession was proved.
type ProofKind string

// The proofs of possession. A passkey and the card at an ATM are strong: they cannot be read out over a
// telephone. A typed code can (L13).
const (
	ProofCode    ProofKind = "code"
	ProofPasskey ProofKind = "passkey"
	ProofATM     ProofKind = "atm"
)

// Strong says whether the proof cannot be relayed by typing.
func (k ProofKind) Strong() bool { return k == ProofPasskey || k == ProofATM }

// Purpose is what possession is proved for; a proof for one opens nothing else.
type Purpose string

// The purposes.
const (
	ForLink    Purpose = "link"
	ForPortal  Purpose = "portal"
	ForEnrol   Purpose = "enrol"   // a passkey at the bank
	ForConfirm Purpose = "confirm" // a link that a typed code proved (L13)
	ForUndo    Purpose = "undo"    // of a stop (D2)
)

// Possession is proof that whoever holds a browser session holds something of the account's. Only this
// package makes one, after checking it: nothing that needs possession can be called without (L1).
type Possession struct {
	account AccountID
	kind    ProofKind
	purpose Purpose
	proof   ProofID
	at      time.Time
}

// Account is whose possession was proved.
func (p Possession) Account() AccountID { return p.account }

// Kind is how.
func (p Possession) Kind() ProofKind { return p.kind }

// At is when.
func (p Possession) At() time.Time { return p.at }

// Proof is a place in one browser session where possession can be proved, for an account that may not even
// exist: nothing a stranger can see of it depends on Account.
type Proof struct {
	ID        ProofID
	Purpose   Purpose
	Account   AccountID  // "" for nobody: no proof will ever be right
	Near      bool       // the name matched closely, not exactly: strong proofs only (L6)
	Known     bool       // the browser is one in which the account's holder signed in before
	CardOnly  bool       // the bank has no phone to compare: only the card at an ATM proves possession (L6)
	Browser   string     // hash of the browser's cookie at the bank
	Reference string     // what a person reads to an ATM or the help line: "K7F3-9QXM"
	Request   id.Request // for a link
	Service   id.Service // for a link
	Holder    string     // in whose name the link is asked for
	Cap       string     // the limits asked for, as the code's text says them

	CodeHash   []byte // keyed; nil where none was sent
	CodeUntil  time.Time
	CodesAsked int       // in this session, sent or not
	Tries      int       // codes typed, right or not
	Challenge  []byte    // the WebAuthn ceremony, while one is open
	WindowAt   time.Time // an ATM window was opened
	Until      time.Time // the window's end

	Kind     ProofKind // "" until proved
	ProvedAt time.Time
	SpentAt  time.Time // it opened what it was made for, and opens no more

	CreatedAt time.Time
	Version   int64
}

// possession is what a proved proof is worth.
func (p Proof) possession() Possession {
	return Possession{account: p.Account, kind: p.Kind, purpose: p.Purpose, proof: p.ID, at: p.ProvedAt}
}
