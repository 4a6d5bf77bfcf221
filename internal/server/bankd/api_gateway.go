package bankd

import (
	"io"
	"net/http"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/notify"
	"github.com/kozamori/kozamori/internal/observe"
	"github.com/kozamori/kozamori/internal/web"
)

// maxReport bounds a carrier's report.
const maxReport = 16 << 10

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
