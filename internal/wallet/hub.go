package wallet

import (
	"context"
	"time"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
)

// HubClient is the hub as the service calls it (docs/protocol.md, "At the hub"). Every call may be lost, doubled
// or answered late: all carry ids under which they are done once. Errors: fault.Unavailable where the outcome is
// not known, fault.Busy, and the hub's or the bank's refusal with its rule; none of them ends a charge.
// Receipts, reports and statements are the bank's compact JWS, unverified.
type HubClient interface {
	Banks(ctx context.Context) ([]HubBank, error)

	RequestLink(ctx context.Context, p LinkPush) (LinkPushed, error)
	Redeem(ctx context.Context, r id.Request, redemption Redemption) (report string, err error)
	Abort(ctx context.Context, r id.Request, issuer id.Issuer, abort string) (report string, err error)
	ChangeLink(ctx context.Context, issuer id.Issuer, link id.Link, change string) (report string, err error)

	Debit(ctx context.Context, issuer id.Issuer, link id.Link, debit id.Debit, order string) (receipt string, err error)
	Resolve(ctx context.Context, issuer id.Issuer, link id.Link, debit id.Debit, resolve string) (receipt string, err error)
	Reverse(ctx context.Context, issuer id.Issuer, link id.Link, reversalID, reversal string) (receipt string, err error)

	// Events answers reports after the given number; it waits up to wait for the first.
	Events(ctx context.Context, after int64, wait time.Duration) (events []HubEvent, next int64, err error)
	// Statement hands the service's signed statement over and answers the bank's.
	Statement(ctx context.Context, issuer id.Issuer, statement string) (theirs string, err error)
}

// BankState is what the hub lets a service do with a bank.
type BankState string

// The states of a pair of service and bank in the hub's matrix.
const (
	BankOpen       BankState = "open"
	BankNoNewLinks BankState = "no_new_links"
	BankStopped    BankState = "stopped" // no new links and no new debits
)

// HubBank is a bank as the hub lists it.
type HubBank struct {
	Bank   id.Bank
	Name   fault.Text
	Kana   string
	Issuer id.Issuer
	State  BankState
}

// LinkPush is a link request as the hub gets it: LinkRequest is the service's JWS, Identity the JWE that only
// the bank can open.
type LinkPush struct {
	Request     id.Request
	Issuer      id.Issuer
	State       string
	RedirectURI string
	Details     string // the authorization_details text, byte for byte as hashed
	LinkRequest string
	Identity    string
}

// LinkPushed tells where to send the browser, and until when.
type LinkPushed struct {
	URL       string
	ExpiresIn time.Duration
}

// Redemption hands over what the bank's redirect brought, with the activation for the bank.
type Redemption struct{ Code, Issuer, Activation string }

// HubEvent is a report that a bank sent on its own account.
type HubEvent struct {
	Seq    int64
	Report string
}
