package wallet

import (
	"context"
	"time"

	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/ledger"
)

// Holder is a person's e-money account at the service.
type Holder struct {
	Subject   id.Subject // permanent, random; how banks see the account
	Level     int        // of identity: 0 contacts only, 2 proved
	Email     string
	Phone     string // E.164
	Lang      string // "ja", "en": for mails and messages
	CreatedAt time.Time
	Version   int64
}

// PutHolder writes a holder; IfVersion is the version stored now, 0 if there must be none. A contact that
// another holder has is fault.Conflict.
type PutHolder struct {
	Holder    Holder
	IfVersion int64
}

// PeopleStore is what the wallet keeps about people and links. What is not there is fault.NotFound.
type PeopleStore interface {
	Holder(ctx context.Context, sub id.Subject) (Holder, error)
	Device(ctx context.Context, sub id.Subject) (Device, error)

	Link(ctx context.Context, link id.Link) (Link, error)
	// LinksOf lists a holder's links, ended ones too, newest first.
	LinksOf(ctx context.Context, sub id.Subject) ([]Link, error)
}

var _ = []ledger.Write{PutHolder{}, PutDevice{}, PutLink{}}
