package wallet

import (
	"fmt"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/money"
	"github.com/kozamori/kozamori/internal/wire"
)

var (
	textAgreeLate   = fault.Text{JA: "確認の時間が過ぎました。お金は動いていません。もう一度金額を入力してください。", EN: "The time to confirm has passed. No money was moved. Please enter the amount again."}
	textDeviceProof = fault.Text{JA: "この端末の署名を確認できませんでした。お金は動いていません。", EN: "Your device's signature could not be verified. No money was moved."}
	textOtherDevice = fault.Text{JA: "この口座は別の端末で連携されています。いまの端末で使うには、銀行でもう一度連携してください。", EN: "This account was linked with another device. To use it here, link it again at your bank."}
	textBankCap     = fault.Text{JA: "この銀行からのチャージは、いまお受けできる上限に達しています。時間をおいてお試しください。", EN: "Charges from this bank have reached what we can take for now. Please try again later."}
	textFrozen      = fault.Text{JA: "このアカウントは現在ご利用を停止しています。", EN: "This account is frozen at present."}
	textNotDone     = fault.Text{JA: "完了したチャージだけを取り消せます。", EN: "Only a charge that is done can be given back."}
	textNotThere    = fault.Text{JA: "この金額はもう残高にないため、取り消せません。", EN: "The money is no longer in the balance, so it cannot be given back."}
	textAmount      = fault.Text{JA: "金額を1円以上で入力してください。", EN: "Please enter an amount of 1 yen or more."}

	textCooling   = fault.Text{JA: "連携したばかりの口座です。安全のため、しばらくチャージできません。", EN: "This link is new. For your safety it cannot be charged from for a while."}
	textWaiting   = fault.Text{JA: "銀行からのお知らせの受け取り確認を待っています。", EN: "The bank is waiting for a receipt of its notice to you."}
	textSuspended = fault.Text{JA: "この口座の連携は停止しています。銀行でもう一度本人確認をすると使えます。", EN: "This link is suspended. Prove yourself at your bank once more to use it."}
	textStopped   = fault.Text{JA: "口座の名義人が、銀行で連携を止めています。解除は、名義人が銀行のお客さまページで行います。", EN: "The depositor has stopped this link at the bank. Only the depositor can undo it, on the bank's own page."}
	textGone      = fault.Text{JA: "この口座の連携は終わっています。", EN: "This link has ended."}
	textChanging  = fault.Text{JA: "登録内容の変更を銀行に知らせています。返事があるまでチャージできません。", EN: "We are telling the bank about a change in your account. Charges wait for its answer."}
)

func textLimited(left money.Yen) fault.Text {
	return fault.Text{
		JA: fmt.Sprintf("この口座からは、いまは24時間に合計5,000円までです。あと%sチャージできます。", left),
		EN: fmt.Sprintf("For now at most 5,000 yen in 24 hours can be charged from this account; ¥%s is left.", left.Digits()),
	}
}

func textUntilProof(left money.Yen) fault.Text {
	return fault.Text{
		JA: fmt.Sprintf("この口座からは、銀行のサイトでパスキーかATMで確認するまで、24時間に合計5,000円までです。あと%sチャージできます。", left),
		EN: fmt.Sprintf("At most 5,000 yen in 24 hours can be charged from this account until you confirm the link at your bank, with a passkey or at an ATM; ¥%s is left.", left.Digits()),
	}
}

func textHolderCap(limit money.Yen) fault.Text {
	return fault.Text{
		JA: fmt.Sprintf("残高の上限（%s）を超えるため、チャージできません。", limit),
		EN: fmt.Sprintf("Your balance would pass its cap of ¥%s.", limit.Digits()),
	}
}

func textHolderRoom(room money.Yen) fault.Text {
	return fault.Text{
		JA: fmt.Sprintf("残高の上限を超えます。いまチャージできるのは%sまでです。", room),
		EN: fmt.Sprintf("Your balance would pass its cap. ¥%s can be charged now.", room.Digits()),
	}
}

func textOverLink(left money.Yen) fault.Text {
	return fault.Text{
		JA: fmt.Sprintf("連携のときに決めた上限を超えます。この口座からいまチャージできるのは%sまでです。", left),
		EN: fmt.Sprintf("This passes the limits you consented to for this link. ¥%s can be charged from it now.", left.Digits()),
	}
}

// textOverLimit says which window of a rolling limit is full and what still passes.
func textOverLimit(window ledger.Window, left money.Yen) fault.Text {
	if left < 0 {
		left = 0
	}
	names := map[ledger.Window][2]string{
		ledger.Each:  {"1回のチャージの上限", "limit of one charge"},
		ledger.Day:   {"24時間のチャージの上限", "limit of any 24 hours"},
		ledger.Month: {"30日間のチャージの上限", "limit of any 30 days"},
	}
	n := names[window]
	return fault.Text{
		JA: fmt.Sprintf("%sを超えます。いまチャージできるのは%sまでです。", n[0], left),
		EN: fmt.Sprintf("This passes the %s. ¥%s can be charged now.", n[1], left.Digits()),
	}
}

// linkText says why a link cannot be charged from, and the rule that says so.
func linkText(state wire.LinkState, reason string) (rule string, text fault.Text) {
	switch state {
	case wire.LinkCooling:
		return "L9", textCooling
	case wire.LinkWaiting:
		return "L8", textWaiting
	case wire.LinkSuspended:
		if reason == "stopped_by_depositor" || reason == "all_stopped_by_depositor" {
			return "D2", textStopped
		}
		return "L9", textSuspended
	default:
		return "M13", textGone
	}
}

// refusalTexts are the reasons of docs/protocol.md in plain words.
var refusalTexts = map[string]fault.Text{
	"cooling":          textCooling,
	"limited":          {JA: "この口座からは、いまは24時間に合計5,000円までです。", EN: "For now at most 5,000 yen in 24 hours can be charged from this account."},
	"stopped":          textStopped,
	"suspended":        textSuspended,
	"revoked":          textGone,
	"expired":          {JA: "この口座の連携は期限が切れています。", EN: "This link has expired."},
	"waiting":          textWaiting,
	"limit_each":       {JA: "銀行の、1回の引き落としの上限を超えています。", EN: "This is over the bank's limit of one debit."},
	"limit_day":        {JA: "銀行の、24時間の引き落としの上限を超えています。", EN: "This is over the bank's limit of any 24 hours."},
	"limit_month":      {JA: "銀行の、30日間の引き落としの上限を超えています。", EN: "This is over the bank's limit of any 30 days."},
	"link_limit_each":  {JA: "連携のときに決めた、1回の上限を超えています。", EN: "This is over the limit of one debit that you consented to."},
	"link_limit_day":   {JA: "連携のときに決めた、24時間の上限を超えています。", EN: "This is over the limit of any 24 hours that you consented to."},
	"link_limit_month": {JA: "連携のときに決めた、30日間の上限を超えています。", EN: "This is over the limit of any 30 days that you consented to."},
	"funds":            {JA: "銀行口座の残高が足りません。", EN: "The bank account has too little money."},
	"device":           {JA: "端末の署名を銀行が確認できませんでした。", EN: "The bank could not verify your device's signature."},
	"stale":            {JA: "確認から時間がたったため、銀行が受け付けませんでした。もう一度お試しください。", EN: "Too much time passed since you confirmed, so the bank refused. Please try again."},
	"order":            {JA: "この連携の注文ではないため、銀行が受け付けませんでした。", EN: "The bank refused: the order is not one of this link."},
}

// EndText is how a charge ended, or why it has not, in words for its holder.
func (c Charge) EndText() fault.Text {
	switch c.State {
	case ChargeDone:
		return fault.Text{JA: "チャージが完了しました。", EN: "Your charge is done."}
	case ChargeNever:
		return fault.Text{JA: "銀行に届かなかったため、チャージは行われませんでした。お金は動いていません。", EN: "The charge never reached the bank. No money was moved."}
	case ChargePending:
		return fault.Text{JA: "銀行が、口座の名義人の確認を待っています。", EN: "The bank is waiting for the depositor to confirm."}
	case ChargeReversing:
		return fault.Text{JA: "チャージを取り消して、銀行口座に戻しています。", EN: "The charge is being given back to the bank account."}
	case ChargeReversed:
		return fault.Text{JA: "チャージを取り消し、銀行口座に戻しました。", EN: "The charge was given back to the bank account."}
	case ChargeRefused:
		if t, ok := refusalTexts[c.Reason]; ok {
			return t
		}
		return fault.Text{JA: "銀行が受け付けませんでした。お金は動いていません。", EN: "The bank refused. No money was moved."}
	default:
		return fault.Text{JA: "銀行に確認しています。", EN: "We are asking the bank."}
	}
}
