package breaktest

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kozamori/kozamori/internal/journey"
	"github.com/kozamori/kozamori/internal/money"
	"github.com/kozamori/kozamori/internal/store/pgtest"
)

// balancer stands at an address and hands each connection to the next of several programs that takes it.
type balancer struct {
	ln   net.Listener
	to   []string
	next atomic.Int64
	all  sync.WaitGroup
}

func balance(t *testing.T, address string, to ...string) {
	t.Helper()
	ln, err := net.Listen("tcp", address)
	must(t, err)
	b := &balancer{ln: ln, to: to}
	b.all.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			b.all.Go(func() { b.carry(conn) })
		}
	})
	t.Cleanup(func() { must(t, ln.Close()); b.all.Wait() })
}

// carry joins a connection to a program until either side has ended it.
func (b *balancer) carry(from net.Conn) {
	defer from.Close()
	turn := int(b.next.Add(1))
	for i := range b.to {
		to, err := net.Dial("tcp", b.to[(turn+i)%len(b.to)])
		if err != nil {
			continue
		}
		defer to.Close()
		var back sync.WaitGroup
		back.Go(func() { _, _ = io.Copy(from, to); _ = from.Close() })
		_, _ = io.Copy(to, from)
		_ = to.Close()
		back.Wait()
		return
	}
}

// twice are two processes of a program behind its address, on ports of their own.
func twice(t *testing.T, p *program) []*program {
	t.Helper()
	base := freePorts(t)
	var both []*program
	for i := range 2 {
		address := fmt.Sprintf("127.0.0.1:%d", base+i)
		both = append(both, &program{name: fmt.Sprint(p.name, " ", i), binary: p.binary, address: address, config: p.config,
			log: p.log, environ: []string{"KOZAMORI_SERVER_LISTEN=" + address, "KOZAMORI_CLUSTER_ADDRESS=http://" + address}})
	}
	balance(t, p.address, both[0].address, both[1].address)
	return both
}

// TestWalletAndBankAsTwoProcesses: wallet and bank run as two processes each, on PostgreSQL, with browsers and peers sent to
// either. In the middle of charges the one that leads is killed, of either role. Every charge ends, booked at the bank exactly
// once if and only if it is done at the service.
func TestWalletAndBankAsTwoProcesses(t *testing.T) {
	t.Parallel()
	rounds := 2
	if testing.Short() {
		rounds = 1
	}
	const holders = 4
	world := pgtest.URL(t)
	bin, dir, base := build(t), filepath.Join(t.TempDir(), "dev"), freePorts(t)
	s, err := openOn(world, dir, base, false)
	must(t, err)
	people := s.actives(t, shizuoka, holders)
	ahead := s.clock.Forward(0)
	must(t, s.stop())
	must(t, os.WriteFile(filepath.Join(dir, "clock"), fmt.Appendf(nil, "%d\n", int64(ahead/time.Second)), 0o600)) // as dev writes it

	s, err = openOn(world, dir, base, true)
	must(t, err)
	t.Cleanup(func() { must(t, s.stop()) })
	roles := programs(t, bin, dir, base)
	wallets, banks := twice(t, roles[1]), twice(t, roles[3])
	for _, p := range slices.Concat(roles[:1], wallets, roles[2:3], banks) {
		must(t, p.start())
		t.Cleanup(func() { must(t, p.kill()) })
	}

	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	signed := make([]int, holders)
	for i, a := range people {
		all.Go(func() { signed[i] = spendUntil(ctx, a) })
	}
	for round := range rounds {
		for _, p := range []*program{wallets[round%2], banks[round%2]} {
			time.Sleep(3 * time.Second)
			must(t, p.kill())
			time.Sleep(12 * time.Second) // until the other has taken over, and opened all its banks
			must(t, p.start())
		}
	}
	stop()
	all.Wait()

	eventually(t, 3*time.Minute, "an end for every charge", s.hourly(t), func() bool { return len(walletBooks(t, dir, maru).open()) == 0 })
	done := sameAtBothSides(t, dir, maru, shizuoka)
	if total := sum(signed); total < 10*rounds || done < total/4 {
		t.Errorf("only %d charges were signed and %d are done", total, done)
	}
	t.Logf("%d charges signed, %d done", sum(signed), done)
}

// spendUntil signs charges until it is told to stop, and counts those of which the page said so.
func spendUntil(ctx context.Context, a *journey.Actor) (signed int) {
	for i := 0; ctx.Err() == nil; i++ {
		slip, err := a.Show(ctx, maru, money.Yen(100+i))
		if err == nil {
			err = a.Sign(ctx, slip)
		}
		if err == nil {
			signed++
		}
		time.Sleep(200 * time.Millisecond)
	}
	return signed
}
