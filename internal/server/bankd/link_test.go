package bankd

import (
	"testing"
	"time"

	"github.com/kozamori/kozamori/internal/wire"
)

func TestLinkByTypedCode(t *testing.T) {
	w := newWorld(t)
	w.hanako("0149", nil)
	a := w.ask("0149", nil)
	g, r := a.linked()
	if r.State != wire.LinkCooling || r.Subject != a.subject || r.Request != a.request || r.LimitedUntilUs != -1 {
		t.Fatalf("report %+v", r)
	}
	if until := time.UnixMicro(r.CoolingUntilUs).UTC(); !until.Equal(w.clock().Add(12 * time.Hour)) {
		t.Fatalf("cooling until %v", until)
	}
	again, err := a.activate(g, a.rs)
	must(t, err)
	if again.Link != r.Link || again.Seq != r.Seq {
		t.Fatalf("repeated: %+v", again)
	}
	w.forward(13 * time.Hour)
	if now, err := a.activate(g, a.rs); err != nil || now.State != wire.LinkLimited {
		t.Fatalf("after 13 h: %+v %v", now, err)
	}
	w.forward(100 * 24 * time.Hour)
	if now, err := a.activate(g, a.rs); err != nil || now.State != wire.LinkLimited {
		t.Fatalf("after 100 days: %+v %v", now, err)
	}
}
