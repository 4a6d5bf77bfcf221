package web

import (
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/money"
)

// The kit is one page for each use of the parts, in all four looks; the tests of rendering, templates and the
// browser share it.

type (
	kitPassbook struct {
		Account string
		Balance money.Yen
		At      time.Time
		Lines   []kitLine
		Links   []kitLink
	}
	kitLine struct {
		Day, What      string
		Out, In, After money.Yen
	}
	kitLink struct {
		Service, State, Tone string
		Limit                money.Yen
	}
	kitConsent struct {
		Service, Holder    string
		PerDebit, PerMonth money.Yen
		Cooling            time.Duration
		Form               *Form
	}
	kitHome struct {
		Balance, Maturing, Charged money.Yen
		Rows                       []kitRow
	}
	kitRow struct {
		Icon, What, State string
		At                time.Time
		Amount            money.Yen
	}
	kitCharge struct {
		Form               *Form
		Key                Ceremony
		LeftDay, LeftMonth money.Yen
	}
	kitPay struct {
		QR, Bar SVG
		Text    string
		Left    int
	}
	kitMatrix struct {
		Counts   []kitCount
		Services []string
		Rows     []kitMatrixRow
		Form     *Form
	}
	kitCount     struct{ Name, N string }
	kitMatrixRow struct {
		Bank        string
		States      []kitState
		Links, Open string
		At          time.Time
	}
	kitState struct{ Text, Tone string }
	kitStart struct {
		Sites []kitSite
		Now   time.Time
		Form  *Form
	}
	kitSite struct{ Name, Text, URL string }
)

func (kitPassbook) Template() string { return "passbook.html" }
func (kitConsent) Template() string  { return "consent.html" }
func (kitHome) Template() string     { return "home.html" }
func (kitCharge) Template() string   { return "charge.html" }
func (kitPay) Template() string      { return "pay.html" }
func (kitMatrix) Template() string   { return "matrix.html" }
func (kitStart) Template() string    { return "start.html" }

var kitAt = time.Date(2026, 11, 23, 5, 4, 0, 0, time.UTC)

var kitTexts = Texts{
	"kit.passbook":      {JA: "通帳", EN: "Passbook"},
	"kit.asof":          {JA: "%[1]s 現在", EN: "as of %[1]s"},
	"kit.lines":         {JA: "通帳の明細", EN: "Lines of the passbook"},
	"kit.day":           {JA: "年月日", EN: "Date"},
	"kit.what":          {JA: "お取引内容", EN: "Transaction"},
	"kit.out":           {JA: "お支払金額", EN: "Out"},
	"kit.in":            {JA: "お預り金額", EN: "In"},
	"kit.balance":       {JA: "残高", EN: "Balance"},
	"kit.links":         {JA: "つながっているサービス", EN: "Linked services"},
	"kit.upto":          {JA: "1回 %[1]s まで", EN: "up to %[1]s each"},
	"kit.stopall":       {JA: "すべて止める", EN: "Stop everything"},
	"kit.stopall.text":  {JA: "この口座からの引き落としを、すべてのサービスについてすぐに止めます。どなたの同意も要りません。", EN: "Stops every debit from this account by every service at once. Nobody's consent is needed."},
	"kit.consent":       {JA: "口座をつなぐ前の確認", EN: "Before you link the account"},
	"kit.consent.lead":  {JA: "%[1]s が、あなたの口座からチャージできるようになります。", EN: "%[1]s will be able to charge from your account."},
	"kit.step1":         {JA: "口座", EN: "Account"},
	"kit.step2":         {JA: "ご本人の確認", EN: "Proof"},
	"kit.step3":         {JA: "暗証番号", EN: "PIN"},
	"kit.step4":         {JA: "同意", EN: "Consent"},
	"kit.who":           {JA: "申し込んだサービス", EN: "Asked by"},
	"kit.for":           {JA: "申し込んだ方", EN: "In the name of"},
	"kit.much":          {JA: "引き落とせる金額", EN: "How much"},
	"kit.much.text":     {JA: "1回 %[1]s、30日で %[2]s まで", EN: "up to %[1]s each, %[2]s in 30 days"},
	"kit.when":          {JA: "使えるようになる時", EN: "From when"},
	"kit.when.text":     {JA: "%[1]s 後から", EN: "%[1]s from now"},
	"kit.never":         {JA: "だれかに頼まれて操作していませんか", EN: "Did somebody ask you to do this?"},
	"kit.never.text":    {JA: "銀行や警察が、この番号を電話やメールでお尋ねすることはありません。", EN: "Neither a bank nor the police will ever ask for this code by phone or e-mail."},
	"kit.agree":         {JA: "同意してつなぐ", EN: "Agree and link"},
	"kit.decline":       {JA: "やめる", EN: "Do not link"},
	"kit.nophone":       {JA: "届け出の電話がお手元にないとき", EN: "No phone at hand?"},
	"kit.nophone.text":  {JA: "ATM か窓口でキャッシュカードを使って確認できます。", EN: "You can prove it with your cash card at an ATM or a counter."},
	"kit.home":          {JA: "ホーム", EN: "Home"},
	"kit.maturing":      {JA: "うち %[1]s は熟成中（送金には使えません）", EN: "%[1]s of it is still maturing"},
	"kit.charge":        {JA: "チャージ", EN: "Charge"},
	"kit.charge.do":     {JA: "パスキーで確認してチャージ", EN: "Confirm with passkey and charge"},
	"kit.pay":           {JA: "支払う", EN: "Pay"},
	"kit.tiles":         {JA: "できること", EN: "What you can do"},
	"kit.history":       {JA: "履歴", EN: "History"},
	"kit.limits":        {JA: "あと使える額", EN: "Limits left"},
	"kit.month":         {JA: "30日", EN: "30 days"},
	"kit.key":           {JA: "パスキー", EN: "Passkey"},
	"kit.done":          {JA: "%[1]s をチャージしました。", EN: "%[1]s was charged."},
	"kit.waiting":       {JA: "銀行の返事を待っています…", EN: "Waiting for the bank…"},
	"kit.valid":         {JA: "このコードが使える時間", EN: "This code is good for"},
	"kit.over":          {JA: "コードの時間が切れました。", EN: "The code has expired."},
	"kit.matrix":        {JA: "参加者の状態", EN: "Participants"},
	"kit.bank":          {JA: "銀行", EN: "Bank"},
	"kit.open":          {JA: "未了", EN: "Open"},
	"kit.since":         {JA: "最後の変更", EN: "Last change"},
	"kit.find":          {JA: "銀行を探す", EN: "Find a bank"},
	"kit.start":         {JA: "開発用の入口", EN: "Start of dev"},
	"kit.start.lead":    {JA: "3つの会社がこの1台で動いています。", EN: "Three companies run on this one machine."},
	"kit.clock":         {JA: "時計", EN: "Clock"},
	"kit.forward":       {JA: "時計を進める", EN: "Move the clock"},
	"kit.loopback":      {JA: "この画面はこの機械からしか開けません。", EN: "This page opens from this machine only."},
	"kit.field.code":    {JA: "SMS で届いた番号", EN: "Code from the SMS"},
	"kit.field.code.no": {JA: "6桁", EN: "6 digits"},
}

func kitSiteOf(t testing.TB, theme Theme) *Site {
	t.Helper()
	names := map[Theme]fault.Text{
		Bank: {JA: "三十三銀行", EN: "San ju San Bank"}, Wallet: {JA: "まるペイ", EN: "Maru Pay"},
		Hub: {JA: "コザモリ・ハブ", EN: "Kozamori Hub"}, Dev: {JA: "kozamori dev", EN: "kozamori dev"},
	}
	s, err := NewSite(Options{
		Theme: theme, Name: names[theme], Pages: os.DirFS("testdata/kit"), Texts: kitTexts, Nav: kitNav(theme), API: []string{"/v1/"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func kitField() Field {
	return Field{Name: "code", Kind: CodeField, Max: 6, Min: 6, Label: kitTexts["kit.field.code"],
		Hint: fault.Text{JA: "まるペイへのリンクのために 090-****-5678 に送りました。3回まで入力できます。", EN: "Sent to 090-****-5678 for a link to Maru Pay. You have 3 tries."}}
}

func kitNav(theme Theme) func(*http.Request) []Link {
	return func(*http.Request) []Link {
		switch theme {
		case Wallet:
			return []Link{{URL: "/home", Text: fault.Text{JA: "ホーム", EN: "Home"}, Icon: "home"}, {URL: "/charge", Text: fault.Text{JA: "チャージ", EN: "Charge"}, Icon: "plus"},
				{URL: "/pay", Text: fault.Text{JA: "支払う", EN: "Pay"}, Icon: "qr"}, {URL: "/me", Text: fault.Text{JA: "設定", EN: "Me"}, Icon: "person"}}
		case Bank:
			return []Link{{URL: "/passbook", Text: fault.Text{JA: "通帳", EN: "Passbook"}}, {URL: "/links", Text: fault.Text{JA: "つながり", EN: "Links"}}, {URL: "/notices", Text: fault.Text{JA: "お知らせ", EN: "Notices"}}}
		case Hub:
			return []Link{{URL: "/matrix", Text: fault.Text{JA: "参加者", EN: "Participants"}}, {URL: "/links", Text: fault.Text{JA: "リンク", EN: "Links"}}, {URL: "/debits", Text: fault.Text{JA: "引き落とし", EN: "Debits"}}}
		}
		return nil
	}
}

// kitPages are the pages of a look, with everything on them.
func kitPages(t testing.TB) map[string]Page {
	t.Helper()
	qr, err := QR("https://wallet.example/p/7kq2m9x4c8v1", "支払いコード")
	if err != nil {
		t.Fatal(err)
	}
	bar, err := Barcode("01234567890123456789", "支払いコード")
	if err != nil {
		t.Fatal(err)
	}
	consent := NewForm(kitField(),
		Field{Name: "pin", Kind: PINField, Max: 4, Min: 4, Label: fault.Text{JA: "キャッシュカードの暗証番号", EN: "PIN of your cash card"}},
		Field{Name: "read", Kind: CheckField, Label: fault.Text{JA: "上の内容を読み、わたしが申し込んだものに間違いありません", EN: "I have read the above, and it is I who asked for it"}})
	consent.Fail("code", fault.Text{JA: "番号が違います。あと2回入力できます。", EN: "That is not the code. 2 tries are left."})
	charge := NewForm(Field{Name: "amount", Kind: AmountField, Label: fault.Text{JA: "金額", EN: "Amount"}, Hint: fault.Text{JA: "1回 30,000円まで", EN: "Up to ¥30,000 each"}, Value: "3,000"},
		Field{Name: "from", Kind: ChoiceField, Label: fault.Text{JA: "どの口座から", EN: "From which account"}, Value: "a", Options: []Option{
			{Value: "a", Text: fault.Text{JA: "三十三銀行", EN: "San ju San Bank"}, Hint: fault.Text{JA: "使えます", EN: "active"}},
			{Value: "b", Text: fault.Text{JA: "青森みちのく銀行", EN: "Aomori Michinoku Bank"}, Hint: fault.Text{JA: "あと 11時間58分で使えます", EN: "usable in 11 h 58 min"}}}})
	find := NewForm(Field{Name: "bank", Kind: SuggestField, Suggest: "/v1/banks", Label: fault.Text{JA: "銀行の名前", EN: "Name of the bank"}, Hint: fault.Text{JA: "かな、漢字、ローマ字、番号のどれでも", EN: "Kana, kanji, romaji or code"}})
	forward := NewForm(Field{Name: "by", Kind: SelectField, Label: fault.Text{JA: "どれだけ", EN: "By how much"}, Options: []Option{{Value: "12h", Text: fault.Text{JA: "12時間", EN: "12 hours"}}, {Value: "7d", Text: fault.Text{JA: "7日", EN: "7 days"}}}})
	return map[string]Page{
		"passbook": kitPassbook{"本店営業部　普通　1234567　ヤマダ ハナコ 様", 1284310, kitAt,
			[]kitLine{{"26-11-20", "ｷﾕｳﾖ ﾏﾙﾔﾏｼﾖｳｼﾞ(ｶ", 0, 284500, 1304310}, {"26-11-21", "ﾃﾞﾝｷ", 8000, 0, 1296310}, {"26-11-22", "ﾏﾙﾍﾟｲ", 5000, 0, 1291310}, {"26-11-23", "ﾏﾙﾍﾟｲ", 7000, 0, 1284310}},
			[]kitLink{{"まるペイ", "使えます", "good", 30000}, {"さんかくペイ", "待ち時間", "warn", 30000}}},
		"consent": kitConsent{"まるペイ", "ヤマダ ハナコ", 30000, 300000, 12 * time.Hour, consent},
		"home": kitHome{24800, 5000, 3000, []kitRow{
			{"plus", "三十三銀行からチャージ", "", kitAt, 3000}, {"shop", "喫茶こもれび", "", kitAt.Add(-26 * time.Hour), -680},
			{"plus", "青森みちのく銀行からチャージ", "確認中", kitAt.Add(-50 * time.Hour), 5000}}},
		"charge": kitCharge{charge, Ceremony{Do: "get", Options: `{"publicKey":{"challenge":"AAAA"}}`}, 27000, 270000},
		"pay":    kitPay{qr, bar, "0123 4567 8901 2345 6789", 58},
		"matrix": kitMatrix{[]kitCount{{"銀行", "35"}, {"サービス", "2"}, {"未了のチャージ", "3"}}, []string{"まるペイ", "さんかくペイ"}, kitRows(), find},
		"start": kitStart{[]kitSite{{"まるペイ", "ウォレット。登録から支払いまで。", "http://wallet.localhost:8401/"}, {"三十三銀行", "通帳、つながっているサービス、すべて止める。", "http://0154.bank.localhost:8403/"},
			{"受信箱", "見本の人たちに届く SMS とメール。", "http://inbox.localhost:8400/"}}, kitAt, forward},
	}
}

func kitRows() []kitMatrixRow {
	open, noNew, stopped := kitState{"open", "good"}, kitState{"no new links", "warn"}, kitState{"stopped", "bad"}
	var rows []kitMatrixRow
	for i, name := range []string{"青森みちのく銀行 0117", "七十七銀行 0125", "東邦銀行 0126", "八十二長野銀行 0143", "大垣共立銀行 0152", "三十三銀行 0154", "滋賀銀行 0157", "紀陽銀行 0163", "中国銀行 0168", "鳥取銀行 0166"} {
		states := []kitState{open, open}
		if i == 3 {
			states[1] = noNew
		}
		if i == 7 {
			states = []kitState{stopped, stopped}
		}
		rows = append(rows, kitMatrixRow{name, states, money.Yen(1200 + 37*i).Digits(), "0", kitAt})
	}
	return rows
}

func TestKitTemplatesFitTheirPages(t *testing.T) {
	var pages []Page
	for _, p := range kitPages(t) {
		pages = append(pages, p)
	}
	if err := kitSiteOf(t, Bank).Check(pages...); err != nil {
		t.Fatal(err)
	}
}
