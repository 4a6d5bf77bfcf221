package walletd

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/web"
)

// bankNames are the banks of the register as staff know them, by issuer.
type bankNames map[id.Issuer]fault.Text

// namesPatience is how long a page of staff waits for the hub's names: the books are readable without.
const namesPatience = time.Second

// bankNames takes the names from the hub's list, and the host where the hub has none or does not answer.
func (s *Server) bankNames(ctx context.Context) bankNames {
	ctx, stop := context.WithTimeout(ctx, namesPatience)
	defer stop()
	names := bankNames{}
	banks, err := s.bankList(ctx)
	if err != nil {
		s.env.Log.Warn("names of banks", "error", err.Error())
	}
	for _, b := range banks {
		names[b.Issuer] = fault.Text{JA: string(b.Bank) + " " + b.Name.JA, EN: string(b.Bank) + " " + b.Name.EN}
	}
	return names
}

// of is a bank's name, or its host.
func (n bankNames) of(issuer id.Issuer) fault.Text {
	if name, ok := n[issuer]; ok {
		return name
	}
	_, host, _ := strings.Cut(string(issuer), "://")
	return fault.Text{JA: host, EN: host}
}

// bankOptions are the banks of the register to choose from, in the order of their codes.
func (s *Server) bankOptions(names bankNames) (banks []web.Option) {
	for _, b := range s.cfg.Banks {
		banks = append(banks, web.Option{Value: b.Issuer, Text: names.of(id.Issuer(b.Issuer))})
	}
	slices.SortFunc(banks, func(a, b web.Option) int { return strings.Compare(a.Text.JA, b.Text.JA) })
	return banks
}
