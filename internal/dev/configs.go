package dev

// The configurations of the roles, as `kozamori dev` writes them. docs/config explains every setting.
const (
	hubConfig = `# Written by kozamori dev.
dev = true
issuer = {{q .Hub}}
clock_file = {{q .L.ClockFile}}

[server]
listen = {{q (.Address 1)}}

[data]
dir = {{q (.Data "hub")}}
{{.Store "hub"}}keys = {{q (.Keys "hub")}}
{{range .Services}}
[[service]]
id = {{q .ID}}
name_ja = {{q .Name.JA}}
name_en = {{q .Name.EN}}
keys = {{q ($.Public (print .ID "-client"))}}
{{end}}{{range .Banks}}
[[bank]]
code = {{q .Code}}
issuer = {{q ($.Issuer .)}}
name_ja = {{q .Name.JA}}
name_en = {{q .Name.EN}}
kana = {{q .Kana}}
keys = {{q ($.Public (print .Code "-client"))}}
{{end}}
[[staff]]
name = {{q .S.StaffName}}
password_hash = {{q (index .Hash "hub")}}
`

	bankConfig = `# Written by kozamori dev.
dev = true
clock_file = {{q .L.ClockFile}}

[server]
listen = {{q (.Address 4)}}

[data]
dir = {{q (.Data "bank")}}
{{.Store "bank"}}keys = {{q (.Keys "bank")}}

[hub]
issuer = {{q .Hub}}
keys = {{q (.Public "hub-client")}}

[mail]
address = {{q (.Address 6)}}
tls = "none"
from = "notice@bank.example"

[sms]
url = {{q (print (.Carrier "bank") "-{bank}")}}
secret = {{q (index .S.SMS "banks")}}
report_secret = {{q .S.SMSReport}}

[policy]
deadline = "300ms"
{{range .Services}}
[[service]]
id = {{q .ID}}
name_ja = {{q .Name.JA}}
name_en = {{q .Name.EN}}
narration = {{q .Narration}}
origin = {{q ($.Origin .)}}
redirect_uris = [{{q (print ($.Origin .) "/link/return")}}]
keys = {{q ($.Public (print .ID "-sign"))}}
{{end}}
[[atm]]
id = "atm"
keys = {{q (.Public "atm-client")}}
{{range .Banks}}
[[bank]]
code = {{q .Code}}
name_ja = {{q .Name.JA}}
name_en = {{q .Name.EN}}
issuer = {{q ($.Issuer .)}}
help_line = "0120-000-000"

[[bank.channel]]
id = "counter"
key_hash = {{q ($.ChannelHash .)}}
may = ["transfers", "cash", "accounts"]
{{end}}`

	walletConfig = `# Written by kozamori dev.
dev = true
clock_file = {{q .L.ClockFile}}

[server]
listen = {{q (.Address .Self.Port)}}

[service]
id = {{q .Self.ID}}
name_ja = {{q .Self.Name.JA}}
name_en = {{q .Self.Name.EN}}
origin = {{q (.Origin .Self)}}
accent = {{.Self.Accent}}

[data]
dir = {{q (.Data (print .Self.ID))}}
{{.Store (print "wallet_" .Self.ID)}}keys = {{q (.Keys (print .Self.ID))}}

[hub]
issuer = {{q .Hub}}

[mail]
address = {{q (.Address 6)}}
tls = "none"
from = {{q (print "info@" .Self.ID ".example")}}
from_name = {{q .Self.Name.JA}}

[sms]
url = {{q (.Carrier (print .Self.ID))}}
secret = {{q (index .S.SMS (print .Self.ID))}}
report_secret = {{q .S.SMSReport}}

[links]
per_debit = 50000
per_24_hours = 100000
per_30_days = 300000
years = 5
{{range .Banks}}
[[bank]]
issuer = {{q ($.Issuer .)}}
keys = {{q ($.Public (print .Code "-sign"))}}
{{end}}{{range .Shops}}
[[shop]]
id = {{q .ID}}
name = {{q .NameJA}}
name_en = {{q .NameEN}}
cash_like = {{.CashLike}}
key_hash = {{q (index $.ShopHash .ID)}}
{{end}}
[[staff]]
name = {{q .S.StaffName}}
password_hash = {{q (index .Hash (print .Self.ID))}}
roles = ["identity", "money"]
`
)

// ClockFile is where the clock's offset lies, for the templates.
func (l layout) ClockFile() string { return l.clock() }
