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

func TestConfigurationMistakes(t *testing.T) {
	for name, swap := range map[string][2]string{
		"a weak cooling-off":        {`cooling = "12h" `, `cooling = "1h" `},
		"http outside dev":          {`issuer = "https://0149`, `issuer = "http://0149`},
		"an unknown proof":          {`"passkey", "code", "atm"`, `"password"`},
		"a callback elsewhere":      {`redirect_uris = ["https://wallet.`, `redirect_uris = ["https://evil.`},
		"full-width narration":      {"ﾏﾙﾍﾟｲ", "まるペイ"},
		"a moved clock outside dev": {"dev = false", "dev = false\nclock_file = \"x\""},
		"no TLS on the outside":     {`listen = "127.0.0.1:8443"` + "\n# Cert", `listen = "0.0.0.0:8443"` + "\n# Cert"},
	} {
		text := strings.Replace(examples.Bank, swap[0], swap[1], 1)
		if name == "no TLS on the outside" {
			text = strings.NewReplacer("tls_cert =", "#", "tls_key =", "#").Replace(text)
		}
		if text == examples.Bank {
			t.Fatalf("%s: the example does not hold %q", name, swap[0])
		}
		var cfg Config
		err := config.Decode([]byte(text), &cfg)
		if err == nil {
			err = cfg.Check()
		}
		if err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}
