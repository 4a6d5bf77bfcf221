package bankd

import (
	"context"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/web"
	"github.com/kozamori/kozamori/internal/wire"
)

// reportAnswer is the bank's signed word on a link.
type reportAnswer struct {
	Body struct {
		Report string `json:"report" doc:"Compact JWS of a LinkReport, signed by the bank."`
	}
}

func reported(report string, err error) (*reportAnswer, error) {
	if err != nil {
		return nil, err
	}
	out := &reportAnswer{}
	out.Body.Report = report
	return out, nil
}

type activationCall struct {
	Body struct {
		Activation string `json:"activation" maxLength:"65536" doc:"Compact JWS of an Activation, signed by the service."`
	}
}

type abortCall struct {
	Body struct {
		Abort string `json:"abort" maxLength:"65536" doc:"Compact JWS of an Abort, signed by the service."`
	}
}

// linkAPI are the calls that bring a link to life or let its request die.
func (t *tenant) linkAPI(api huma.API) {
	web.Register(api, huma.Operation{
		OperationID: "activate", Method: http.MethodPost, Path: "/v1/activations", Summary: "Activate a link",
		Description: "By the link's token. The service shows that the browser that asked has come back (L12). The same activation again is answered with what has become of the link.",
		Tags:        []string{"Links"},
	}, func(ctx context.Context, in *activationCall) (*reportAnswer, error) {
		caller, err := callerOf(ctx)
		if err != nil {
			return nil, err
		}
		return reported(t.bank.Activate(ctx, caller.Link, in.Body.Activation))
	})
	web.Register(api, huma.Operation{
		OperationID: "abort", Method: http.MethodPost, Path: "/v1/aborts", Summary: "Let a link request die",
		Description: "By the participant's token. The service's browser never came back, or another one did (L12).",
		Tags:        []string{"Links"},
	}, func(ctx context.Context, in *abortCall) (*reportAnswer, error) {
		return reported(t.bank.Abort(ctx, in.Body.Abort))
	})
}

// callerOf is who calls; every operation stands behind the guard, so there is one.
func callerOf(ctx context.Context) (wire.Caller, error) {
	c, ok := wire.CallerOf(ctx)
	if !ok {
		return c, fault.New(fault.Internal, "bankd.callerOf", errors.New("an operation without guard"))
	}
	return c, nil
}
