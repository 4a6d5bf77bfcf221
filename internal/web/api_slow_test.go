package web

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// TestSlowHandlerKeepsItsConnection: a call that takes longer than a body may is answered, and the next one on the
// same connection too. Bank and hub wait for each other, and a line between them that is dead for good would be
// worse than a slow one.
func TestSlowHandlerKeepsItsConnection(t *testing.T) {
	s := sampleSite(t, sampleTemplate)
	mux := http.NewServeMux()
	Register(NewAPI(mux, "Sample", "1", "A sample."), huma.Operation{OperationID: "slow", Method: http.MethodPost, Path: "/v1/slow",
		BodyReadTimeout: 50 * time.Millisecond}, // huma's own is 5 s
		func(ctx context.Context, in *debitInput) (*debitOutput, error) {
			select {
			case <-ctx.Done():
				return nil, ctx.Err()
			case <-time.After(300 * time.Millisecond):
			}
			out := &debitOutput{}
			out.Body.Amount = in.Body.Amount
			return out, nil
		})
	server := httptest.NewServer(s.Wrap(mux, nil))
	defer server.Close()
	for n := range 3 {
		resp, err := server.Client().Post(server.URL+"/v1/slow", "application/json", strings.NewReader(`{"amount":5}`))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Errorf("call %d: %d %s %v", n, resp.StatusCode, body, err)
		}
		if err := resp.Body.Close(); err != nil {
			t.Error(err)
		}
	}
}
