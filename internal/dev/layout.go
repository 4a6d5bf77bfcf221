package dev

import (
	"fmt"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/zengin"
)

// Ports are the listeners of dev, from one base on.
type Ports struct{ Base int }

// The listeners, in the order of their ports.
const (
	portStart = iota
	portHub
	portMaru
	portSora
	portBanks
	portSMS
	portMail
	portCount
)

func (p Ports) address(n int) string { return fmt.Sprintf("127.0.0.1:%d", p.Base+n) }

func (p Ports) url(host string, n int) string { return fmt.Sprintf("http://%s:%d", host, p.Base+n) }

// service is one of the two payment services of dev.
type service struct {
	ID        id.Service
	Name      fault.Text
	Narration string // as passbooks print it
	Host      string
	Port      int
	Accent    int // hue of its pages
}

var services = []service{
	{ID: "maru", Name: fault.Text{JA: "まるペイ", EN: "MaruPay"}, Narration: "ﾏﾙﾍﾟｲ", Host: "wallet.localhost", Port: portMaru},
	{ID: "sora", Name: fault.Text{JA: "そらウォレット", EN: "SoraWallet"}, Narration: "ｿﾗｳｵﾚﾂﾄ", Host: "sora.localhost", Port: portSora, Accent: 3},
}

// tenant is one of the banks of dev.
type tenant struct {
	Code id.Bank
	Name fault.Text
	Kana string
}

func (t tenant) host() string { return string(t.Code) + ".bank.localhost" }

// tenants are the 35 banks of 2020 under their codes of today: two banks that have merged since stand once.
func tenants() ([]tenant, error) {
	var out []tenant
	seen := map[id.Bank]bool{}
	for _, old := range zengin.Incident2020() {
		b, ok := zengin.SuccessorOf(old.Code)
		if !ok {
			return nil, fmt.Errorf("dev: what became of bank %s of 2020 is not known", old.Code)
		}
		if !seen[b.Code] {
			seen[b.Code] = true
			out = append(out, tenant{Code: b.Code, Name: fault.Text{JA: b.Title(), EN: b.English()}, Kana: b.Kana})
		}
	}
	return out, nil
}
