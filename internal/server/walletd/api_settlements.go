package walletd

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/money"
	"github.com/kozamori/kozamori/internal/wallet"
	"github.com/kozamori/kozamori/internal/web"
)

type settlementsInput struct{ StaffAuth }

type settlementsOutput struct {
	Body struct {
		Banks []owingBody `json:"banks"`
	}
}

type owingBody struct {
	Issuer      string           `json:"issuer"`
	Owed        money.Yen        `json:"owed" doc:"Booked at the bank and not arrived; negative where the service owes the bank."`
	MayCome     money.Yen        `json:"may_come" doc:"Charges without an end."`
	Cap         money.Yen        `json:"cap" doc:"On both together (M8); a charge that would pass it is refused."`
	Settlements []settlementBody `json:"settlements" doc:"Those under way first, then by day, newest first."`
	NotAgreed   []string         `json:"not_agreed" doc:"Days that are over and were exchanged without a settlement."`
}

type settlementBody struct {
	Day        string    `json:"day"`
	Net        money.Yen `json:"net" doc:"Debits less reversals; negative where the service pays the bank."`
	State      string    `json:"state" enum:"announced,arrived"`
	RecordedBy string    `json:"recorded_by,omitempty" doc:"Who has seen the money."`
	ArrivedUs  int64     `json:"arrived_us,omitempty"`
}

type arrivalInput struct {
	StaffAuth
	Body struct {
		Issuer string    `json:"issuer"`
		Day    string    `json:"day" format:"date" doc:"The day that the bank has announced as settled."`
		Amount money.Yen `json:"amount" doc:"What has moved, whoever paid. Another amount than the announced one is refused."`
	}
}

type arrivalOutput struct{ Body settlementBody }

func settlementBodyOf(v wallet.Settlement) settlementBody {
	b := settlementBody{Day: v.Day, Net: v.Total.Net(), State: string(v.State()), RecordedBy: v.RecordedBy}
	if v.State() == wallet.SettlementArrived {
		b.ArrivedUs = v.ArrivedAt.UnixMicro()
	}
	return b
}

// registerSettlementAPI is what staff's programs may ask about settlements.
func (s *Server) registerSettlementAPI(api huma.API) {
	web.Register(api, huma.Operation{
		OperationID: "settlements", Method: http.MethodGet, Path: "/staff/v1/settlements", Tags: []string{"Staff"},
		Summary:     "What banks owe, have announced and have paid",
		Description: "For the role money. One entry for each bank with anything to settle: what it owes against its cap (M8), the days it has announced as settled, and those that still differ.",
	}, s.apiSettlements)
	web.Register(api, huma.Operation{
		OperationID: "recordArrival", Method: http.MethodPost, Path: "/staff/v1/arrivals", Tags: []string{"Staff"},
		Summary:     "Record that the money of a settled day has moved",
		Description: "For the role money. Frees the bank's cap (M8). Once for each bank and day, and exactly the amount that the bank has announced.",
	}, func(ctx context.Context, in *arrivalInput) (*arrivalOutput, error) {
		who, err := s.staffOf(ctx, in.Authorization, RoleMoney)
		if err != nil {
			return nil, err
		}
		v, err := s.arrived(ctx, who.Name, id.Issuer(in.Body.Issuer), in.Body.Day, in.Body.Amount)
		if err != nil {
			return nil, err
		}
		return &arrivalOutput{settlementBodyOf(v)}, nil
	})
}

func (s *Server) apiSettlements(ctx context.Context, in *settlementsInput) (*settlementsOutput, error) {
	if _, err := s.staffOf(ctx, in.Authorization, RoleMoney); err != nil {
		return nil, err
	}
	rows, err := s.owing(ctx, nil)
	if err != nil {
		return nil, err
	}
	out := &settlementsOutput{}
	out.Body.Banks = []owingBody{}
	for _, o := range rows {
		b := owingBody{Issuer: string(o.Issuer), Owed: o.Owed, MayCome: o.MayCome, Cap: o.Cap, Settlements: []settlementBody{}, NotAgreed: []string{}}
		for _, v := range o.Settlements {
			b.Settlements = append(b.Settlements, settlementBodyOf(v.Settlement))
		}
		for _, d := range o.NotAgreed {
			b.NotAgreed = append(b.NotAgreed, d.Day)
		}
		out.Body.Banks = append(out.Body.Banks, b)
	}
	return out, nil
}
