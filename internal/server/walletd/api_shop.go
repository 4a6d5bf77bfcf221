package walletd

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/money"
	"github.com/kozamori/kozamori/internal/observe"
	"github.com/kozamori/kozamori/internal/wallet"
	"github.com/kozamori/kozamori/internal/web"
)

// paymentBody is a payment as shops' programs read it.
type paymentBody struct {
	ID       string `json:"id" example:"pay_5h2k8n3v7w1q9r4t6y0x2z8b5c" doc:"The payment."`
	State    string `json:"state" enum:"done,refused" doc:"done: the shop is paid. refused: it is not, and never will be under this id."`
	Amount   int64  `json:"amount" doc:"Whole yen."`
	Terminal string `json:"terminal" doc:"As sent."`
	Order    string `json:"order" doc:"As sent."`
	At       string `json:"at" format:"date-time" doc:"When it was decided."`
	Reason   string `json:"reason,omitempty" enum:"funds,frozen,amount,cash_like" doc:"Why it was refused."`
	Rule     string `json:"rule,omitempty" doc:"The rule that refuses, where one does."`
	Detail   string `json:"detail" doc:"The state in words."`
	DetailJA string `json:"detail_ja" doc:"The same in Japanese."`
}

func bodyOf(p wallet.Payment) paymentBody {
	text := p.Text()
	return paymentBody{
		ID: string(p.ID), State: string(p.State), Amount: int64(p.Amount), Terminal: p.Terminal, Order: p.Order,
		At: p.At.Format(time.RFC3339), Reason: p.Reason, Rule: p.Rule(), Detail: text.EN, DetailJA: text.JA,
	}
}

type payInput struct {
	Authorization string `header:"Authorization" hidden:"true"` // described as security
	Key           string `header:"Idempotency-Key" doc:"1 to 255 printable ASCII characters, new for each payment. The same request under the same key answers the same; keys never expire."`
	Body          struct {
		Code     string `json:"code" maxLength:"60" doc:"The payer's one-time code, scanned or typed."`
		Amount   int64  `json:"amount" doc:"Whole yen, 1 or more."`
		Terminal string `json:"terminal,omitempty" doc:"The till: one line of at most 100 bytes, without control characters and marks of direction."`
		Order    string `json:"order,omitempty" doc:"The shop's own number of the sale, which the payer sees: one line as terminal."`
	}
}

// Resolve refuses a key that stands twice: which of them counts, programs on the way might read differently.
func (in *payInput) Resolve(ctx huma.Context) []error {
	n := 0
	ctx.EachHeader(func(name, _ string) {
		if strings.EqualFold(name, "Idempotency-Key") {
			n++
		}
	})
	if n > 1 {
		return []error{&huma.ErrorDetail{Location: "header.Idempotency-Key", Message: "stands twice"}}
	}
	return nil
}

type payOutput struct {
	Status   int
	Replayed string `header:"Idempotent-Replayed" doc:"true where the answer is that of an earlier request."`
	Body     paymentBody
}

type paymentInput struct {
	Authorization string `header:"Authorization" hidden:"true"` // described as security
	ID            string `path:"id" doc:"The payment."`
}

type paymentOutput struct{ Body paymentBody }

// registerShopAPI describes and serves the interface of shops.
func (s *Server) registerShopAPI(api huma.API) {
	web.Register(api, huma.Operation{
		OperationID: "pay", Method: http.MethodPost, Path: "/v1/payments", DefaultStatus: http.StatusCreated,
		Summary: "Present a payer's code",
		Description: "Takes a payment with the one-time code that a payer shows. The first presentation burns the code, whatever follows. " +
			"201: paid. 402: refused for good, with the reason. 410: the code is unknown, used or older than 60 s; nothing is kept under the key. " +
			"400 with rule idempotency_error: the key is missing or malformed, or came with another request before. A request that comes " +
			"while the first under its key is under way waits for it.",
		Tags: []string{"Payments"}, Responses: map[string]*huma.Response{"402": {Description: "Refused: the same body as 201, with state refused."}},
	}, s.apiPay)
	described := api.OpenAPI().Paths["/v1/payments"].Post.Responses
	described["402"].Content = described["201"].Content
	web.Register(api, huma.Operation{
		OperationID: "payment", Method: http.MethodGet, Path: "/v1/payments/{id}",
		Summary: "Look a payment up", Tags: []string{"Payments"},
		Description: "How a payment of the calling shop was decided; another shop's is not found.",
	}, s.apiPayment)
}

// shopOf is the shop whose API key a request carries.
func (s *Server) shopOf(ctx context.Context, authorization string) (wallet.Shop, error) {
	scheme, key, _ := strings.Cut(authorization, " ")
	shop, ok := s.wallet.ShopWithKey(strings.TrimSpace(key))
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return wallet.Shop{}, &fault.Error{Kind: fault.Unauthorised, Op: "walletd.shopOf", Err: errors.New("no shop has this key"),
			Public: fault.Text{JA: "APIキーが正しくありません。", EN: "The API key is not known."}}
	}
	observe.Party(ctx, "shop/"+string(shop.ID))
	return shop, nil
}

func (s *Server) apiPay(ctx context.Context, in *payInput) (*payOutput, error) {
	shop, err := s.shopOf(ctx, in.Authorization)
	if err != nil {
		return nil, err
	}
	p, replayed, err := s.wallet.Pay(ctx, shop, in.Key, wallet.Presented{
		Code: in.Body.Code, Amount: money.Yen(in.Body.Amount), Terminal: in.Body.Terminal, Order: in.Body.Order,
	})
	if err != nil {
		return nil, err
	}
	out := &payOutput{Status: http.StatusCreated, Body: bodyOf(p)}
	if p.State != wallet.PaymentDone {
		out.Status = http.StatusPaymentRequired
	}
	if replayed {
		out.Replayed = "true"
	}
	return out, nil
}

func (s *Server) apiPayment(ctx context.Context, in *paymentInput) (*paymentOutput, error) {
	shop, err := s.shopOf(ctx, in.Authorization)
	if err != nil {
		return nil, err
	}
	p, err := s.wallet.PaymentOf(ctx, shop, wallet.PaymentID(in.ID))
	if err != nil {
		return nil, err
	}
	return &paymentOutput{Body: bodyOf(p)}, nil
}
