package hubd

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/hub"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/observe"
	"github.com/kozamori/kozamori/internal/web"
	"github.com/kozamori/kozamori/internal/wire"
)

// apiText introduces the reference page.
const apiText = `The hub between payment services and banks. Every call carries a DPoP-bound token of POST /token
(client_credentials, private_key_jwt). Signed messages pass unchanged: what is believed of them is their own signature.
The ids inside the messages make every call repeatable.`

// caller returns who calls, of the scope the operation is for.
func caller(ctx context.Context, scope string) (string, error) {
	c, ok := wire.CallerOf(ctx)
	if !ok || c.Scope != scope {
		return "", fault.New(fault.Forbidden, "hubd.caller", nil)
	}
	return c.Client, nil
}

func operation(method, path, id, summary, description string) huma.Operation {
	tag := "For services"
	if scopeOfPath(path) == scopeBank {
		tag = "For banks"
	}
	return huma.Operation{Method: method, Path: path, OperationID: id, Summary: summary, Description: description, Tags: []string{tag}}
}

// scopeOfPath is the scope that the operations of a path want.
func scopeOfPath(path string) string {
	if path == "/v1/reports" || path == "/v1/links" {
		return scopeBank
	}
	return scopeService
}

// api registers the operations of docs/protocol.md, "At the hub".
func (s *Server) api(mux *http.ServeMux) {
	api := web.NewAPI(mux, "Kozamori hub", "1", apiText)
	s.apiLinks(api)
	s.apiDebits(api)
	s.apiEvents(api)
	web.Secure(api, web.DPoP("/token", func(path string) (string, bool) { return scopeOfPath(path), true }))
}

type bankOut struct {
	Bank   id.Bank   `json:"bank" doc:"Zengin code today" example:"0149"`
	Issuer id.Issuer `json:"issuer" doc:"The bank as a signer; it stays through mergers"`
	NameJA string    `json:"name_ja"`
	NameEN string    `json:"name_en"`
	Kana   string    `json:"kana"`
	State  string    `json:"state" enum:"open,no_new_links,stopped"`
}

type banksOut struct {
	Body struct {
		Banks []bankOut `json:"banks"`
	}
}

type linkIn struct {
	Body struct {
		Request     id.Request `json:"request" doc:"The service's id of the request" example:"req_…"`
		Issuer      id.Issuer  `json:"issuer"`
		State       string     `json:"state" doc:"Comes back to the service's page" minLength:"16" maxLength:"200"`
		RedirectURI string     `json:"redirect_uri" maxLength:"500"`
		Details     string     `json:"authorization_details" doc:"RFC 9396, one account_link, byte for byte as its hash was signed" maxLength:"8192"`
		LinkRequest string     `json:"link_request" doc:"JWS of the service" maxLength:"16384"`
		Identity    string     `json:"identity" doc:"JWE only the bank can open" maxLength:"16384"`
	}
}

type linkOut struct {
	Body struct {
		AuthorizationURL string `json:"authorization_url" doc:"Where the browser goes"`
		ExpiresIn        int64  `json:"expires_in" doc:"Seconds"`
	}
}

type redemptionIn struct {
	Request id.Request `path:"request"`
	Body    struct {
		Code       string `json:"code" maxLength:"500"`
		Iss        string `json:"iss" doc:"As the bank's redirect said (RFC 9207)" maxLength:"500"`
		Activation string `json:"activation" doc:"JWS of the service" maxLength:"16384"`
	}
}

type abortIn struct {
	Request id.Request `path:"request"`
	Body    struct {
		Issuer id.Issuer `json:"issuer"`
		Abort  string    `json:"abort" maxLength:"16384"`
	}
}

type reportOut struct {
	Body struct {
		Report string `json:"report" doc:"JWS of the bank"`
	}
}

func (s *Server) apiLinks(api huma.API) {
	web.Register(api, operation(http.MethodGet, "/v1/banks", "banks", "List banks", "All banks with what the calling service may do at each."),
		func(ctx context.Context, _ *struct{}) (*banksOut, error) {
			service, err := caller(ctx, scopeService)
			if err != nil {
				return nil, err
			}
			banks, err := s.hub.BanksFor(ctx, id.Service(service))
			if err != nil {
				return nil, err
			}
			out := &banksOut{}
			for _, b := range banks {
				out.Body.Banks = append(out.Body.Banks, bankOut{Bank: b.Code, Issuer: b.Issuer, NameJA: b.NameJA, NameEN: b.NameEN, Kana: b.Kana, State: b.State.String()})
			}
			return out, nil
		})
	request := operation(http.MethodPost, "/v1/link-requests", "requestLink", "Request a link",
		"Pushes the request to the bank. The same request again has the same answer while it holds; the same id with other content is a conflict.")
	request.DefaultStatus = http.StatusCreated
	web.Register(api, request, s.requestLink)
	web.Register(api, operation(http.MethodPost, "/v1/link-requests/{request}/redemption", "redeem", "Redeem a consent",
		"Exchanges the code and hands the activation to the bank. Repeat it until it is answered; 410 ends the request."),
		func(ctx context.Context, in *redemptionIn) (*reportOut, error) {
			service, err := caller(ctx, scopeService)
			if err != nil {
				return nil, err
			}
			out := &reportOut{}
			out.Body.Report, err = s.hub.Redeem(ctx, id.Service(service), in.Request, in.Body.Code, wire.Hash(in.Body.Code), in.Body.Iss, in.Body.Activation)
			return out, err
		})
	web.Register(api, operation(http.MethodPost, "/v1/link-requests/{request}/abort", "abort", "Abort a request", "Lets the request die at the bank (L12)."),
		func(ctx context.Context, in *abortIn) (*reportOut, error) {
			service, err := caller(ctx, scopeService)
			if err != nil {
				return nil, err
			}
			out := &reportOut{}
			out.Body.Report, err = s.hub.Abort(ctx, id.Service(service), in.Request, in.Body.Abort)
			return out, err
		})
}

func (s *Server) requestLink(ctx context.Context, in *linkIn) (*linkOut, error) {
	service, err := caller(ctx, scopeService)
	if err != nil {
		return nil, err
	}
	b := in.Body
	// The identity and the signature are made anew at each try, so the digest is over what they bind.
	digest := wire.Hash(string(b.Issuer) + "\n" + b.State + "\n" + b.RedirectURI + "\n" + b.Details)
	url, expires, err := s.hub.RequestLink(ctx, id.Service(service), hub.NewLink{Request: b.Request, Issuer: b.Issuer, State: b.State,
		RedirectURI: b.RedirectURI, Details: b.Details, LinkRequest: b.LinkRequest, Identity: b.Identity}, digest)
	if err != nil {
		return nil, err
	}
	out := &linkOut{}
	out.Body.AuthorizationURL, out.Body.ExpiresIn = url, int64(expires.Sub(s.env.Now())/time.Second)
	return out, nil
}

type debitIn struct {
	Body struct {
		Issuer id.Issuer `json:"issuer"`
		Link   id.Link   `json:"link"`
		Debit  id.Debit  `json:"debit"`
		Order  string    `json:"order" doc:"JWS of the service" maxLength:"16384"`
	}
}

type resolutionIn struct {
	Debit id.Debit `path:"debit"`
	Body  struct {
		Issuer  id.Issuer `json:"issuer"`
		Link    id.Link   `json:"link"`
		Resolve string    `json:"resolve" maxLength:"16384"`
	}
}

type reversalIn struct {
	Body struct {
		Issuer     id.Issuer `json:"issuer"`
		Link       id.Link   `json:"link"`
		ReversalID string    `json:"reversal_id" maxLength:"64"`
		Reversal   string    `json:"reversal" maxLength:"16384"`
	}
}

type receiptOut struct {
	Body struct {
		Receipt string `json:"receipt" doc:"JWS of the bank"`
	}
}

type changeIn struct {
	Body struct {
		Issuer id.Issuer `json:"issuer"`
		Link   id.Link   `json:"link"`
		Change string    `json:"change" maxLength:"16384"`
	}
}

type statementIn struct {
	Body struct {
		Issuer    id.Issuer `json:"issuer"`
		Statement string    `json:"statement"`
	}
}

type statementOut struct {
	Body struct {
		Statement string `json:"statement" doc:"JWS of the bank, of the same day"`
	}
}

func (s *Server) apiDebits(api huma.API) {
	web.Register(api, operation(http.MethodPost, "/v1/debits", "debit", "Route a debit order",
		"Only the receipt ends a charge; any error leaves it to be resolved. The same order again goes to the same bank."),
		func(ctx context.Context, in *debitIn) (*receiptOut, error) {
			service, err := caller(ctx, scopeService)
			if err != nil {
				return nil, err
			}
			out := &receiptOut{}
			out.Body.Receipt, err = s.hub.Debit(ctx, id.Service(service), hub.Order{Issuer: in.Body.Issuer, Link: in.Body.Link,
				Debit: in.Body.Debit, Raw: in.Body.Order, Hash: wire.Hash(in.Body.Order)})
			return out, err
		})
	web.Register(api, operation(http.MethodPost, "/v1/debits/{debit}/resolution", "resolve", "Ask what became of a debit",
		"Cancel if unseen (M12). Routed in every state of link and pair."),
		func(ctx context.Context, in *resolutionIn) (*receiptOut, error) {
			service, err := caller(ctx, scopeService)
			if err != nil {
				return nil, err
			}
			out := &receiptOut{}
			out.Body.Receipt, err = s.hub.Resolve(ctx, id.Service(service), in.Body.Issuer, in.Body.Link, in.Debit, in.Body.Resolve)
			return out, err
		})
	web.Register(api, operation(http.MethodPost, "/v1/reversals", "reverse", "Give a booked debit back", "Routed in every state of link and pair."),
		func(ctx context.Context, in *reversalIn) (*receiptOut, error) {
			service, err := caller(ctx, scopeService)
			if err != nil {
				return nil, err
			}
			out := &receiptOut{}
			out.Body.Receipt, err = s.hub.Reverse(ctx, id.Service(service), in.Body.Issuer, in.Body.Link, in.Body.Reversal)
			return out, err
		})
	web.Register(api, operation(http.MethodPost, "/v1/link-changes", "changeLink", "Tell the bank what changed at the service",
		"A new device, phone, e-mail, a recovery, another identity, the end of a link (L9)."),
		func(ctx context.Context, in *changeIn) (*reportOut, error) {
			service, err := caller(ctx, scopeService)
			if err != nil {
				return nil, err
			}
			out := &reportOut{}
			out.Body.Report, err = s.hub.ChangeLink(ctx, id.Service(service), in.Body.Issuer, in.Body.Link, in.Body.Change)
			return out, err
		})
	web.Register(api, operation(http.MethodPost, "/v1/statements", "statement", "Exchange statements of a day", "Each side signs what it has; each compares."),
		func(ctx context.Context, in *statementIn) (*statementOut, error) {
			service, err := caller(ctx, scopeService)
			if err != nil {
				return nil, err
			}
			out := &statementOut{}
			out.Body.Statement, err = s.hub.Statement(ctx, id.Service(service), in.Body.Issuer, in.Body.Statement)
			return out, err
		})
}

type eventsIn struct {
	After int64 `query:"after" minimum:"0" doc:"The last number seen"`
	Wait  int   `query:"wait" minimum:"0" maximum:"25" doc:"Seconds to wait for the first event"`
}

type eventOut struct {
	Seq    int64  `json:"seq"`
	Report string `json:"report" doc:"JWS of the bank"`
}

type eventsOut struct {
	Body struct {
		Events []eventOut `json:"events"`
		Next   int64      `json:"next" doc:"Ask after this number next time"`
	}
}

type pushReportIn struct {
	Body struct {
		Service id.Service `json:"service"`
		Link    id.Link    `json:"link,omitempty"`
		Report  string     `json:"report" maxLength:"16384"`
	}
}

type inquiryIn struct {
	Pseudonym id.Pseudonym `query:"pseudonym" required:"true" maxLength:"64"`
}

type inquiryLink struct {
	Link      id.Link    `json:"link"`
	Service   id.Service `json:"service"`
	State     string     `json:"state"`
	UpdatedUs int64      `json:"updated_us"`
}

type inquiryOut struct {
	Body struct {
		Links []inquiryLink `json:"links"`
	}
}

func (s *Server) apiEvents(api huma.API) {
	web.Register(api, operation(http.MethodGet, "/v1/events", "events", "Reports that banks sent on their own account", "Long poll; a service sees its own."),
		func(ctx context.Context, in *eventsIn) (*eventsOut, error) {
			service, err := caller(ctx, scopeService)
			if err != nil {
				return nil, err
			}
			waiting, cancel := context.WithCancel(ctx)
			defer cancel()
			go func() { // a stop of the hub must not wait for whoever waits for news
				select {
				case <-observe.Stopping(ctx):
					cancel()
				case <-waiting.Done():
				}
			}()
			events, err := s.hub.Events(waiting, id.Service(service), in.After, time.Duration(in.Wait)*time.Second)
			if err != nil {
				return nil, err
			}
			out := &eventsOut{}
			out.Body.Events, out.Body.Next = []eventOut{}, in.After
			for _, e := range events {
				out.Body.Events = append(out.Body.Events, eventOut{e.Seq, e.Report})
				out.Body.Next = e.Seq
			}
			return out, nil
		})
	report := operation(http.MethodPost, "/v1/reports", "report", "Report on a link", "A bank tells a service of one of its links; kept once per link and seq.")
	report.DefaultStatus = http.StatusNoContent
	web.Register(api, report, func(ctx context.Context, in *pushReportIn) (*struct{}, error) {
		bank, err := caller(ctx, scopeBank)
		if err != nil {
			return nil, err
		}
		return nil, s.hub.Report(ctx, id.Issuer(bank), in.Body.Service, in.Body.Report)
	})
	web.Register(api, operation(http.MethodGet, "/v1/links", "inquire", "What the hub has of one account's links", "A bank asks about its own (D1)."),
		func(ctx context.Context, in *inquiryIn) (*inquiryOut, error) {
			bank, err := caller(ctx, scopeBank)
			if err != nil {
				return nil, err
			}
			links, err := s.hub.Inquire(ctx, id.Issuer(bank), in.Pseudonym)
			if err != nil {
				return nil, err
			}
			out := &inquiryOut{}
			out.Body.Links = []inquiryLink{}
			for _, l := range links {
				out.Body.Links = append(out.Body.Links, inquiryLink{l.ID, l.Service, l.State, l.Updated.UnixMicro()})
			}
			return out, nil
		})
}
