package dev

import (
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/web"
)

// texts are the words of the start page and what lies around it.
var texts = web.Texts{
	"home.title":          {JA: "口座守を試す", EN: "Try Kozamori"},
	"home.lead":           {JA: "決済サービス2社、共通ハブ、2020年の35銀行がこのコンピューターの中だけで動いています。お金も人も架空です。", EN: "Two payment services, the hub and the 35 banks of 2020 run on this machine only. No money and no person here is real."},
	"home.wallet":         {JA: "決済サービス", EN: "Payment service"},
	"home.inbox":          {JA: "受信箱", EN: "Inbox"},
	"home.inbox.note":     {JA: "SMSとメールが届きます", EN: "SMS and e-mail arrive here"},
	"home.atm":            {JA: "ATM", EN: "ATM"},
	"home.atm.note":       {JA: "カードと暗証番号で手続き", EN: "Card and PIN"},
	"home.clock":          {JA: "時計を進める", EN: "Move the clock"},
	"home.audit":          {JA: "帳簿の監査", EN: "Audit of the books"},
	"home.audit.note":     {JA: "全社の帳簿を突き合わせます", EN: "All companies' books compared"},
	"home.people":         {JA: "だれになりますか", EN: "Whom will you be?"},
	"home.people.note":    {JA: "銀行に口座がある見本の人たちです。サービスでは好きなメールアドレスと、ここにある電話番号で登録してください。", EN: "Sample people with bank accounts. At a service, sign up with their phone number and any e-mail address of theirs."},
	"home.banks":          {JA: "銀行のページ", EN: "The banks' pages"},
	"home.staff":          {JA: "職員のページ", EN: "Staff pages"},
	"home.staff.note":     {JA: "本人確認の記録や、銀行・サービスの停止ができます。", EN: "Record identity checks; suspend banks and services."},
	"home.staff.name":     {JA: "担当者名", EN: "name"},
	"home.staff.password": {JA: "パスワード", EN: "password"},
	"home.api":            {JA: "APIリファレンス", EN: "API references"},
	"person.kana":         {JA: "カナ氏名", EN: "Name in kana"},
	"person.birth":        {JA: "生年月日", EN: "Birth date"},
	"person.account":      {JA: "口座", EN: "Account"},
	"person.ordinary":     {JA: "普通", EN: "ordinary"},
	"person.pin":          {JA: "暗証番号", EN: "PIN"},
	"person.phone":        {JA: "電話", EN: "Phone"},
	"person.email":        {JA: "メール", EN: "E-mail"},
	"person.none":         {JA: "なし", EN: "none"},
	"inbox.title":         {JA: "受信箱", EN: "Inbox"},
	"inbox.lead":          {JA: "見本の人たちに届いたSMSとメールです。新しい順。", EN: "SMS and e-mail to the sample people, newest first."},
	"inbox.show":          {JA: "表示", EN: "Show"},
	"inbox.none":          {JA: "まだ何も届いていません。", EN: "Nothing has arrived yet."},
	"clock.title":         {JA: "時計を進める", EN: "Move the clock"},
	"clock.lead":          {JA: "すべての会社の時計がいっしょに進みます。戻すことはできません。", EN: "The clocks of all companies move together. They cannot go back."},
	"clock.ahead":         {JA: "実際の時刻より %[1]v 進んでいます", EN: "%[1]v ahead of the real time"},
	"clock.by":            {JA: "%[1]v進める", EN: "Forward %[1]v"},
	"clock.go":            {JA: "進める", EN: "Move"},
	"audit.title":         {JA: "帳簿の監査", EN: "Audit of the books"},
	"audit.lead":          {JA: "すべての残高と決まりごとを別の計算で確かめ、会社どうしの署名付き明細を突き合わせました。", EN: "Every balance and invariant was computed again, and the companies' signed statements were compared."},
	"audit.report":        {JA: "監査の報告", EN: "The report"},
	"audit.agrees":        {JA: "すべて一致しています。", EN: "Everything agrees."},
	"audit.differs":       {JA: "一致しないところがあります。", EN: "There are differences."},
	"atm.title":           {JA: "ATM", EN: "ATM"},
	"atm.lead":            {JA: "だれのカードを入れますか。", EN: "Whose card do you insert?"},
	"atm.insert":          {JA: "カードを入れる", EN: "Insert the card"},
	"atm.pending":         {JA: "口座連携の申し込み", EN: "Requests for a link"},
	"atm.asks":            {JA: "申し込み先:", EN: "Service:"},
	"atm.holder":          {JA: "利用者:", EN: "Account holder:"},
	"atm.window":          {JA: "この申し込みの本人確認をする（10分間有効）", EN: "Confirm this request is mine (10 minutes)"},
	"atm.ack":             {JA: "お知らせの確認", EN: "Notices to acknowledge"},
	"atm.acknowledge":     {JA: "この連携を知っています", EN: "I know of this link"},
	"atm.balance":         {JA: "残高", EN: "Balance"},
	"atm.near":            {JA: "口座名義と少し違う氏名です。ご本人ですか。", EN: "The name differs a little from the account's. Is this you?"},
	"atm.open":            {JA: "確認済みです。", EN: "Confirmed."},
	"atm.nothing":         {JA: "ありません。", EN: "None."},
	"atm.refresh":         {JA: "もう一度見る", EN: "Look again"},
	"atm.eject":           {JA: "カードを取り出す", EN: "Take the card"},
}

// siteName is dev's own name.
var siteName = fault.Text{JA: "口座守 開発環境", EN: "Kozamori dev"}
