package wallet

import (
	"time"

	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/wire"
)

// Device is the one device key of a holder (L9): the passkey that signs in, and that signs every charge (M9),
// with the browser's own key beside it where the passkey may be synced.
type Device struct {
	Subject    id.Subject
	Keys       wire.Device
	Credential []byte // the WebAuthn credential record, JSON
	AddedAt    time.Time
	RemovedAt  time.Time // zero: this is the holder's device
}

// PutDevice makes a device the holder's; one before it is marked removed.
type PutDevice struct{ Device Device }
