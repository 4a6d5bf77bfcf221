package web

// ownTexts are the words of the frame and of the shared parts.
var ownTexts = Texts{
	"frame.skip":      {JA: "本文へ移動", EN: "Skip to content"},
	"frame.nav":       {JA: "メニュー", EN: "Menu"},
	"frame.switch":    {JA: "English", EN: "日本語"},
	"frame.signout":   {JA: "サインアウト", EN: "Sign out"},
	"frame.dev":       {JA: "開発用", EN: "development"},
	"frame.devnote":   {JA: "本物のお金は動きません", EN: "no real money moves here"},
	"error.reference": {JA: "お問い合わせ番号", EN: "Reference number"},
	"error.rule":      {JA: "規則", EN: "Rule"},
	"error.home":      {JA: "最初のページへ", EN: "To the first page"},
	"form.summary":    {JA: "入力を確認してください", EN: "Please check the form"},
	"form.optional":   {JA: "任意", EN: "optional"},
	"form.yen":        {JA: "円", EN: "yen"},
	"form.choose":     {JA: "選んでください", EN: "Please choose"},
	"form.found":      {JA: "候補が出ます", EN: "Suggestions appear as you type"},
	"key.nosupport":   {JA: "このブラウザではパスキーが使えません。新しいブラウザか、スマートフォンでお試しください。", EN: "This browser cannot use passkeys. Please try a newer browser or a phone."},
	"key.cancelled":   {JA: "確認が取り消されたか、時間切れになりました。もう一度お試しください。", EN: "The check was cancelled or took too long. Please try again."},
	"key.exists":      {JA: "この端末にはもうパスキーがあります。", EN: "This device has a passkey already."},
	"key.nokey":       {JA: "このブラウザには、この口座のための鍵がありません。登録したブラウザで開いてください。", EN: "This browser does not hold the key of this account. Please use the browser you registered with."},
	"key.failed":      {JA: "端末での確認がうまくいきませんでした。もう一度お試しください。", EN: "The check on this device did not work. Please try again."},
	"key.script":      {JA: "この操作には JavaScript が必要です。", EN: "This step needs JavaScript."},
	"key.late":        {JA: "読み込みに時間がかかっています。ボタンが押せるようにならなければ、ページを開き直してください。", EN: "This is taking long to load. If the button stays grey, please reload the page."},
	"busy.sending":    {JA: "送信しています…", EN: "Sending…"},
}
