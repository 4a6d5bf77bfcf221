package bankd

import (
	"strings"
	"testing"
	"time"

	examples "github.com/kozamori/kozamori/docs/config"
	"github.com/kozamori/kozamori/internal/config"
)

func TestExampleConfigurationIsRight(t *testing.T) {
	var cfg Config
	must(t, config.Decode([]byte(examples.Bank), &cfg))
	must(t, cfg.Check())
	p, err := cfg.policyOf(cfg.Banks[0])
	must(t, err)
	if p.Cooling != 12*time.Hour || p.LimitedCap != 5000 || !p.Code || !p.ATM || p.Deadline != time.Second {
		t.Errorf("policy %+v", p)
	}
}

// Each mistake is named by its setting, in the words of the file.
func TestConfigurationMistakes(t *testing.T) {
	for name, c := range map[string]struct{ old, new, want string }{
		"a weak cooling-off":        {`cooling = "12h" `, `cooling = "1h" `, "[policy] cooling is 1h0m0s, the floor is 12h0m0s"},
		"a weak limit of one bank":  {"# [bank.policy] ", "[bank.policy]\naccount_day = 300001 #", `[[bank]] 1, "0149": [bank.policy] account_day is`},
		"http outside dev":          {`issuer = "https://0149`, `issuer = "http://0149`, `[[bank]] 1, "0149": issuer: "http://0149.bank.example.jp" must begin with https://`},
		"an unknown bank":           {`code = "0149"`, `code = "9999"`, `[[bank]] 1, "9999": code: no bank has the code 9999`},
		"an unknown proof":          {`"passkey", "code", "atm"`, `"password"`, `[policy] proofs: "password" is none of code, passkey, atm`},
		"a callback elsewhere":      {`redirect_uris = ["https://wallet.`, `redirect_uris = ["https://evil.`, `[[service]] 1, "maru": redirect_uris: `},
		"full-width narration":      {"ﾏﾙﾍﾟｲ", "まるペイ", `[[service]] 1, "maru": narration: `},
		"an ATM like the hub":       {`id = "atm-net"`, `id = "https://hub.example.jp"`, "[[atm]] 1, "},
		"a moved clock outside dev": {"dev = false", "dev = false\nclock_file = \"x\"", "clock_file: is for dev = true only"},
		"no TLS on the outside":     {`listen = "127.0.0.1:8443"` + "\n# Cert", `listen = "0.0.0.0:8443"` + "\n# Cert", "[server] listen = "},
		"dev outside":               {"dev = false", "dev = true", "dev: true is for this machine only"},
		"a channel's key itself":    {`key_hash = "3q2`, `key_hash = "x3q2`, `[[bank]] 1, "0149": [[bank.channel]] 1, "counter": key_hash: want the SHA-256`},
		"a channel that may what?":  {`may = ["transfers", "cash"`, `may = ["transfers", "loans"`, `[[bank.channel]] 1, "counter": may: "loans" is none of`},
		"a channel without rights":  {`may = ["transfers", "cash", "accounts"]`, "", `[[bank.channel]] 1, "counter": may: at least one`},
		"a channel without a name":  {`id = "counter"`, `id = "the counter"`, `[[bank.channel]] 1, "the counter": id`},
		"no hub's keys":             {`keys = "/etc/kozamori/register/hub.json"`, "#", "[hub] keys: is needed"},
	} {
		text := strings.Replace(examples.Bank, c.old, c.new, 1)
		if name == "no TLS on the outside" {
			text = strings.NewReplacer("tls_cert =", "#", "tls_key =", "#").Replace(text)
		}
		if text == examples.Bank {
			t.Fatalf("%s: the example does not hold %q", name, c.old)
		}
		var cfg Config
		must(t, config.Decode([]byte(text), &cfg))
		if err := cfg.Check(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	weak := PolicyConfig{Proofs: []string{"x"}, Cooling: time.Hour, Deadline: time.Millisecond, LimitedCap: 6_000}
	if _, err := weak.policy(); err == nil || strings.Count(err.Error(), "\n") != 3 {
		t.Errorf("four settings are wrong: %v", err)
	}
}
