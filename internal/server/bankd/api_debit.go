package bankd

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/web"
)

// receiptAnswer is the bank's signed word on a debit or a reversal.
type receiptAnswer struct {
	Body struct {
		Receipt string `json:"receipt" doc:"Compact JWS of a DebitReceipt or ReversalReceipt, signed by the bank. The same question gets the same bytes for ever."`
	}
}

func receipted(receipt string, err error) (*receiptAnswer, error) {
	if err != nil {
		return nil, err
	}
	out := &receiptAnswer{}
	out.Body.Receipt = receipt
	return out, nil
}

type debitCall struct {
	Body struct {
		Order string `json:"order" maxLength:"65536" doc:"Compact JWS of a DebitOrder, signed by the service and by the holder's device."`
	}
}

type resolutionCall struct {
	Debit string `path:"debit" maxLength:"64" doc:"The charge's id: deb_…"`
	Body  struct {
		Resolve string `json:"resolve" maxLength:"65536" doc:"Compact JWS of a Resolve, signed by the service."`
	}
}

type reversalCall struct {
	Body struct {
		Reversal string `json:"reversal" maxLength:"65536" doc:"Compact JWS of a Reversal, signed by the service."`
	}
}

type changeCall struct {
	Body struct {
		Change string `json:"change" maxLength:"65536" doc:"Compact JWS of a LinkChange, signed by the service."`
	}
}

type statementCall struct {
	Body struct {
		Statement string `json:"statement" doc:"Compact JWS of a Statement, signed by the service."`
	}
}

type statementAnswer struct {
	Body struct {
		Statement string `json:"statement" doc:"Compact JWS of the bank's own Statement of the same day."`
	}
}

// moneyAPI are the calls that move money, or say what became of it.
func (t *tenant) moneyAPI(api huma.API) {
	web.Register(api, huma.Operation{
		OperationID: "debit", Method: http.MethodPost, Path: "/v1/debits", Summary: "Debit over a link", Tags: []string{"Debits"},
		Description: "By the link's token. A debit that is known is answered with its stored receipt, in every state of the link. An error ends nothing: ask again, or for the resolution.",
	}, func(ctx context.Context, in *debitCall) (*receiptAnswer, error) {
		caller, err := callerOf(ctx)
		if err != nil {
			return nil, err
		}
		return receipted(t.bank.Debit(ctx, caller.Link, in.Body.Order))
	})
	web.Register(api, huma.Operation{
		OperationID: "resolve", Method: http.MethodPost, Path: "/v1/debits/{debit}/resolution", Summary: "What became of a debit", Tags: []string{"Debits"},
		Description: "By the participant's token. A debit that was never seen is buried: the receipt says never, and stays so.",
	}, func(ctx context.Context, in *resolutionCall) (*receiptAnswer, error) {
		return receipted(t.bank.Resolve(ctx, id.Debit(in.Debit), in.Body.Resolve))
	})
	web.Register(api, huma.Operation{
		OperationID: "reverse", Method: http.MethodPost, Path: "/v1/reversals", Summary: "Give a debit back", Tags: []string{"Debits"},
		Description: "By the participant's token. Whole, once, through every gate; onto a suspense account where the account is closed.",
	}, func(ctx context.Context, in *reversalCall) (*receiptAnswer, error) {
		return receipted(t.bank.Reverse(ctx, in.Body.Reversal))
	})
	web.Register(api, huma.Operation{
		OperationID: "change", Method: http.MethodPost, Path: "/v1/link-changes", Summary: "Something changed at the service", Tags: []string{"Links"},
		Description: "By the participant's token. A new device or identity suspends the link, a new phone, e-mail or a recovery lets it cool off again, an end revokes it (L9).",
	}, func(ctx context.Context, in *changeCall) (*reportAnswer, error) {
		return reported(t.bank.LinkChange(ctx, in.Body.Change))
	})
	web.Register(api, huma.Operation{
		OperationID: "statement", Method: http.MethodPost, Path: "/v1/statements", Summary: "Compare the books of a day", Tags: []string{"Books"},
		Description: "By the participant's token. The day is the Japanese date of booked_us; differences of a day that is over are kept with an owner.",
	}, func(ctx context.Context, in *statementCall) (*statementAnswer, error) {
		ours, err := t.bank.Statement(ctx, in.Body.Statement)
		if err != nil {
			return nil, err
		}
		out := &statementAnswer{}
		out.Body.Statement = ours
		return out, nil
	})
}
