package walletd

import (
	"context"
	"encoding/base64"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/identity"
	"github.com/kozamori/kozamori/internal/observe"
	"github.com/kozamori/kozamori/internal/web"
)

// StaffAuth is the header that a member of staff's own program sends (RFC 7617): the name and password of the pages.
type StaffAuth struct {
	Authorization string `header:"Authorization" hidden:"true"` // described as security
}

type proveIn struct {
	StaffAuth
	Subject id.Subject `path:"subject" doc:"The holder's member number" example:"sub_…"`
	Body    struct {
		NameKana       string        `json:"name_kana" doc:"As on the document, in kana" maxLength:"100" example:"サトウ ハナコ"`
		BirthDate      string        `json:"birth_date" format:"date" example:"1985-04-01"`
		DocumentKind   identity.Kind `json:"document_kind" enum:"driver_licence,passport,residence_card,bank_account"`
		DocumentNumber string        `json:"document_number" maxLength:"40" doc:"Only a keyed fingerprint of it is kept"`
		Namesake       string        `json:"namesake,omitempty" maxLength:"200" doc:"How the person was told apart from one of the same name and birth date"`
	}
}

type holderOut struct {
	Body struct {
		Subject id.Subject     `json:"subject"`
		Level   identity.Level `json:"level" doc:"0: contacts only; 2: proved"`
	}
}

type findIn struct {
	StaffAuth
	Email string `query:"email" required:"true" maxLength:"254"`
}

// staffAPI is the staff's interface for programs: what the staff pages do, by the same functions.
func (s *Server) staffAPI(api huma.API) {
	web.Register(api, huma.Operation{OperationID: "findHolder", Method: http.MethodGet, Path: "/staff/v1/holders",
		Summary: "Find a holder by e-mail address", Tags: []string{"Staff"},
		Description: "The member number that the other calls want. For the role identity."}, s.apiFind)
	web.Register(api, huma.Operation{OperationID: "proveHolder", Method: http.MethodPost, Path: "/staff/v1/holders/{subject}/identity",
		Summary: "Grant identity level 2", Tags: []string{"Staff"},
		Description: "For the role identity. The caller has seen the original document and the person. Refused under L5 where the evidence is a bank account, or another holder's."},
		s.apiProve)
}

// sourceKey finds, in the context of a call, where it comes from.
type sourceKey struct{}

// withSource keeps where a call comes from for operations that see no request.
func (s *Server) withSource(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		source := web.Source(r, s.cfg.Server.BehindProxy)
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), sourceKey{}, source)))
	})
}

// staffOf checks the Basic header against the same list as the pages; role is what the operation needs.
func (s *Server) staffOf(ctx context.Context, header, role string) (StaffConfig, error) {
	refused := fault.New(fault.Unauthorised, "walletd.staffAPI", nil)
	scheme, coded, _ := strings.Cut(header, " ")
	raw, err := base64.StdEncoding.DecodeString(coded)
	if err != nil || !strings.EqualFold(scheme, "Basic") {
		return StaffConfig{}, refused
	}
	name, password, ok := strings.Cut(string(raw), ":")
	if !ok {
		return StaffConfig{}, refused
	}
	source, _ := ctx.Value(sourceKey{}).(string)
	if err := s.members.Check(name, password, source); err != nil {
		return StaffConfig{}, err
	}
	c, _ := s.staffMember(name)
	observe.Party(ctx, "staff/"+name)
	if !c.has(role) {
		return StaffConfig{}, fault.New(fault.Forbidden, "walletd.staffAPI", nil)
	}
	return c, nil
}

func (s *Server) apiFind(ctx context.Context, in *findIn) (*holderOut, error) {
	if _, err := s.staffOf(ctx, in.Authorization, RoleIdentity); err != nil {
		return nil, err
	}
	h, err := s.wallet.FindHolder(ctx, in.Email)
	if err != nil {
		return nil, err
	}
	out := &holderOut{}
	out.Body.Subject, out.Body.Level = h.Subject, h.Level
	return out, nil
}

func (s *Server) apiProve(ctx context.Context, in *proveIn) (*holderOut, error) {
	c, err := s.staffOf(ctx, in.Authorization, RoleIdentity)
	if err != nil {
		return nil, err
	}
	h, err := s.prove(ctx, c.Name, in.Subject, identity.Evidence{
		NameKana: in.Body.NameKana, BirthDate: in.Body.BirthDate, Namesake: in.Body.Namesake,
		Document: identity.Document{Kind: in.Body.DocumentKind, Number: in.Body.DocumentNumber},
	})
	if err != nil {
		return nil, err
	}
	out := &holderOut{}
	out.Body.Subject, out.Body.Level = h.Subject, h.Level
	return out, nil
}
