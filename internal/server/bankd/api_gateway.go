package bankd

import (
	"io"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/notify"
	"github.com/kozamori/kozamori/internal/observe"
	"github.com/kozamori/kozamori/internal/web"
)

// maxReport bounds a carrier's report.
const maxReport = 16 << 10

// gatewayWay is how a carrier's gateway proves that a report is its own.
var gatewayWay = web.Way{Name: "gateway", Scheme: huma.SecurityScheme{Type: "apiKey", In: "header", Name: notify.SignatureHeader,
	Description: "`t=SECONDS,v1=HEX`: HMAC-SHA256 over `SECONDS.BODY` with the report secret that gateway and bank share; at most 5 minutes old."},
	For: func(path string) ([]string, bool) { return nil, path == "/gateway/reports" }}

// gatewayAPI describes the call of a carrier's gateway.
func (t *tenant) gatewayAPI(api huma.API) {
	web.Describe[notify.Report](api, huma.Operation{
		OperationID: "gatewayReport", Method: http.MethodPost, Path: "/gateway/reports", Summary: "Tell that a message arrived, or did not",
		Description: "A carrier's word on one message: `ref` is the one the bank sent it under. Delivered is a receipt in the sense of L8. " +
			"The same report again changes nothing; one that belongs to nothing is taken as well.",
		Tags: []string{"SMS gateway"}, DefaultStatus: http.StatusNoContent,
	})
}

// gatewayReport takes a carrier's signed word that a message reached its phone: a receipt in the sense of L8.
// What we cannot place is taken all the same, so that the carrier does not send it for ever.
func (t *tenant) gatewayReport(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxReport))
	if err != nil {
		web.Problem(w, r, fault.New(fault.Invalid, "bankd.gatewayReport", err))
		return
	}
	report, err := notify.VerifyReport(t.s.cfg.SMS.ReportSecret, r.Header.Get(notify.SignatureHeader), body, t.s.env.Now())
	if err != nil {
		observe.Failed(r.Context(), err)
		web.Problem(w, r, err)
		return
	}
	if report.Delivered() {
		err = t.bank.Arrived(r.Context(), report.Ref)
	}
	if err != nil && fault.Of(err) != fault.NotFound {
		observe.Failed(r.Context(), err)
		web.Problem(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
