package breaktest

import (
	"bytes"
	"testing"

	"github.com/kozamori/kozamori/internal/audit"
)

// audited fails unless the audit finds that every book agrees.
func (s *stage) audited(t testing.TB) {
	t.Helper()
	r, err := audit.Run(t.Context(), s.dir, s.clock.Now)
	must(t, err)
	if !r.Agrees {
		var text bytes.Buffer
		must(t, r.Text(&text))
		t.Errorf("the audit disagrees:\n%s", text.String())
	}
}
