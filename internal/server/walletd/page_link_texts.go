package walletd

import (
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/wire"
)

// stateText is how a link's state is said to its holder.
type stateText struct {
	word, says fault.Text
	tone       string // of the badge
}

// stateTexts says each state of a link in plain words; docs/states.md draws them.
var stateTexts = map[wire.LinkState]stateText{
	wire.LinkWaiting: {
		word: fault.Text{JA: "受け取り確認待ち", EN: "Waiting for a receipt"}, tone: "warn",
		says: fault.Text{
			JA: "銀行からのお知らせが届いたことを、銀行が確認しています。しばらくしてもこのままのときや、銀行に電話もメールも届け出ていないときは、期限までに銀行のATMでお知らせを確認してください。確認できないと連携は取り消されます。",
			EN: "The bank is making sure that its notice has reached you. If this page stays like this, or the bank has neither a phone nor an e-mail of yours, acknowledge the notice at one of its ATMs in time. Without that the link comes to nothing."},
	},
	wire.LinkCooling: {
		word: fault.Text{JA: "待機期間", EN: "Cooling-off"}, tone: "warn",
		says: fault.Text{
			JA: "安全のため、連携した直後はチャージできません。お心当たりのない連携を止めるための時間です。",
			EN: "For safety nothing can be charged right after linking: time to stop a link that somebody else made."},
	},
	wire.LinkLimited: {
		word: fault.Text{JA: "少額のみ", EN: "Small amounts"}, tone: "warn",
		says: fault.Text{
			JA: "いまは24時間に5,000円までチャージできます。",
			EN: "For now up to 5,000 yen can be charged in 24 hours."},
	},
	wire.LinkActive: {
		word: fault.Text{JA: "利用できます", EN: "Active"}, tone: "good",
		says: fault.Text{JA: "上限までチャージできます。", EN: "You can charge up to your limits."},
	},
	wire.LinkSuspended: {
		word: fault.Text{JA: "停止中", EN: "Suspended"}, tone: "bad",
		says: fault.Text{
			JA: "銀行でもう一度ご本人と確認されるまで、チャージできません。",
			EN: "Nothing can be charged until you have proved yourself at the bank once more."},
	},
	wire.LinkRevoked: {
		word: fault.Text{JA: "終了", EN: "Ended"},
		says: fault.Text{JA: "この連携は終了しました。", EN: "This link has ended."},
	},
	wire.LinkExpired: {
		word: fault.Text{JA: "期限切れ", EN: "Expired"},
		says: fault.Text{JA: "連携の有効期限が過ぎました。", EN: "The link has passed its last day."},
	},
	wire.LinkDead: {
		word: fault.Text{JA: "不成立", EN: "Not made"},
		says: fault.Text{
			JA: "銀行からのお知らせの受け取りが確認できず、連携は行われませんでした。",
			EN: "No receipt of the bank's notice came, so nothing was linked."},
	},
}

// reasonTexts says why a bank suspended a link.
var reasonTexts = map[string]fault.Text{
	"stopped_by_depositor": {
		JA: "口座の名義人が、この連携を銀行で停止しました。", EN: "The depositor stopped this link at the bank."},
	"all_stopped_by_depositor": {
		JA: "口座の名義人が、すべての連携を銀行で停止しました。解除は銀行で行います。",
		EN: "The depositor stopped all links at the bank. Only the bank can undo it."},
	"device_changed": {
		JA: "端末が変わりました。新しい端末で使うには、銀行でもう一度連携してください。",
		EN: "Your device changed. To use the new one, link again at the bank."},
	"identity_changed": {
		JA: "登録されている氏名などが変わりました。銀行でもう一度確認が必要です。",
		EN: "Your registered identity changed. The bank must match it once more."},
}

var (
	textUntilProof = fault.Text{
		JA: "24時間に5,000円までチャージできます。銀行のサイトで24時間後以降に本人確認（パスキー・ATMなど）をすると、上限まで使えます。",
		EN: "Up to 5,000 yen can be charged in 24 hours, until you confirm the link at the bank with a passkey or at an ATM, 24 hours after linking or later."}
	textEndingWord = fault.Text{JA: "終了手続き中", EN: "Ending"}
	textEnding     = fault.Text{
		JA: "ここからのチャージは止まっています。銀行の返事を待っています。",
		EN: "Nothing can be charged any more. We are waiting for the bank's answer."}
)

// deadTexts says why a request came to nothing.
var deadTexts = map[string]fault.Text{
	"cancelled":     {JA: "新しい手続きを始めたか、登録内容が変わったため、この手続きは取り消されました。", EN: "You began anew, or your account changed, so this was cancelled."},
	"not_consented": {JA: "銀行で同意されなかったため、連携は行われませんでした。", EN: "You did not agree at the bank, so nothing was linked."},
	"other_browser": {JA: "手続きを始めた端末と違う端末で続けられたため、安全のため取り消しました。", EN: "Another browser than the one that began it went on, so for safety it was cancelled."},
	"wrong_bank":    {JA: "申し込んだ銀行と違うところから返事が来たため、安全のため取り消しました。", EN: "The answer did not come from the bank that was asked, so for safety it was cancelled."},
	"timeout":       {JA: "時間が経ちすぎたため、連携は行われませんでした。", EN: "It took too long, so nothing was linked."},
	"refused":       {JA: "いまは受け付けられませんでした。時間をおいてお試しください。", EN: "It could not be taken just now. Please try again later."},
	"bank":          {JA: "銀行で連携が成立しませんでした。", EN: "The bank did not make the link."},
}
