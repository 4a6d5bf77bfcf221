package bank

import (
	"fmt"
	"strings"

	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/fault"
)

// noticeTexts say what happened, in a sentence per language. {service}, {account}, {amount}, {time} and
// {count} are filled in. No notice carries a sign-in link.
var noticeTexts = map[EventKind]struct{ subject, body fault.Text }{
	EventRequest: {
		fault.Text{JA: "口座連携の申し込みがありました", EN: "A service asks for a link to your account"},
		fault.Text{JA: "{service}から口座{account}への連携の申し込みがありました。", EN: "{service} asks for a link to your account {account}."},
	},
	EventActivated: {
		fault.Text{JA: "口座連携の手続きが行われました", EN: "A link to your account was made"},
		fault.Text{JA: "口座{account}を{service}と連携する手続きが行われました。", EN: "Your account {account} is being linked to {service}."},
	},
	EventDead: {
		fault.Text{JA: "口座連携は成立しませんでした", EN: "A link to your account came to nothing"},
		fault.Text{JA: "{service}と口座{account}の連携は成立しませんでした。引き落としはできません。", EN: "The link of {service} to your account {account} came to nothing. It can debit nothing."},
	},
	EventConfirmed: {
		fault.Text{JA: "口座連携を本人確認しました", EN: "A link to your account was confirmed"},
		fault.Text{JA: "{service}と口座{account}の連携の少額制限が解除されます。", EN: "The small cap of the link of {service} to your account {account} is lifted."},
	},
	EventSuspended: {
		fault.Text{JA: "口座連携を一時停止しました", EN: "A link to your account is suspended"},
		fault.Text{JA: "{service}で登録の変更があったため、口座{account}の連携を一時停止しました。", EN: "Something changed at {service}: its link to your account {account} is suspended."},
	},
	EventEnded: {
		fault.Text{JA: "口座連携が終了しました", EN: "A link to your account has ended"},
		fault.Text{JA: "{service}と口座{account}の連携が終了しました。", EN: "The link of {service} to your account {account} has ended."},
	},
	EventCooling: {
		fault.Text{JA: "口座連携を待機に戻しました", EN: "A link to your account is cooling off again"},
		fault.Text{JA: "{service}で登録の変更があったため、口座{account}の連携はしばらく引き落としできません。", EN: "Something changed at {service}: its link to your account {account} can debit nothing for a while."},
	},
	EventDebit: {
		fault.Text{JA: "口座から引き落としがありました", EN: "Your account was debited"},
		fault.Text{JA: "{time} 口座{account}から{service}へ{amount}円を引き落としました。", EN: "{time}: JPY {amount} left your account {account} for {service}."},
	},
	EventReversal: {
		fault.Text{JA: "引き落としの返金がありました", EN: "A debit was given back"},
		fault.Text{JA: "{time} {service}から口座{account}へ{amount}円を返金しました。", EN: "{time}: {service} gave JPY {amount} back to your account {account}."},
	},
	EventStopOne: {
		fault.Text{JA: "口座連携を停止しました", EN: "A link to your account was stopped"},
		fault.Text{JA: "{service}と口座{account}の連携を停止しました。引き落としはできません。", EN: "The link of {service} to your account {account} is stopped. It can debit nothing."},
	},
	EventStopAll: {
		fault.Text{JA: "すべての連携を停止しました", EN: "All links to your account were stopped"},
		fault.Text{JA: "口座{account}のすべての連携と新しい申し込みを停止しました。", EN: "All links to your account {account}, and new requests, are stopped."},
	},
	EventUndone: {
		fault.Text{JA: "停止が解除されました", EN: "A stop was undone"},
		fault.Text{JA: "口座{account}の連携の停止が本人確認のうえ解除されました。", EN: "A stop of links to your account {account} was undone with full proof."},
	},
	EventPasskey: {
		fault.Text{JA: "パスキーが登録されました", EN: "A passkey was registered"},
		fault.Text{JA: "口座{account}にパスキーが登録されました。7日間は連携の手続きに使えません。", EN: "A passkey was registered for your account {account}. For 7 days it makes no link."},
	},
	EventPIN: {
		fault.Text{JA: "暗証番号が変更されました", EN: "Your PIN was changed"},
		fault.Text{JA: "口座{account}の暗証番号が変更されました。", EN: "The PIN of your account {account} was changed."},
	},
	EventContact: {
		fault.Text{JA: "連絡先が変更されました", EN: "Your contacts were changed"},
		fault.Text{JA: "口座{account}の連絡先が変更されました。以前の連絡先にも30日間お知らせします。", EN: "The contacts of your account {account} were changed. The old ones are told for 30 more days."},
	},
	EventCodes: {
		fault.Text{JA: "確認コードが1日の上限に達しました", EN: "The codes of a day are used up"},
		fault.Text{JA: "口座{account}の確認コードが{count}通送られました。24時間は新しいコードが届きません。パスキーとATMは使えます。", EN: "{count} codes were asked for your account {account}. No more are sent within 24 hours; passkeys and ATMs still work."},
	},
	EventDigest: {
		fault.Text{JA: "連携の申し込みのまとめ", EN: "Requests for links to your account"},
		fault.Text{JA: "口座{account}への連携の申し込みがほかに{count}件ありました。", EN: "There were {count} more requests for a link to your account {account}."},
	},
}

// stoppable says whether a notice of the event offers the stop link.
func (k EventKind) stoppable() bool {
	switch k {
	case EventStopOne, EventStopAll, EventEnded, EventDead:
		return false
	}
	return true
}

// words makes the text of a letter: Japanese first, English below. SMS texts are one short line each.
func (b *Bank) words(l letter) (subject, text string) {
	t := noticeTexts[l.Event]
	service := fault.Text{JA: "サービス", EN: "a service"}
	if svc, err := b.Service(l.Service); err == nil {
		service = svc.Name
	}
	fill := func(lang string) string {
		return strings.NewReplacer(
			"{service}", service.In(lang), "{account}", l.Account, "{amount}", l.Amount.Digits(),
			"{time}", clock.FromMicros(l.AtUs).In(clock.Tokyo).Format("01/02 15:04"), "{count}", fmt.Sprint(l.Count),
		).Replace(t.body.In(lang))
	}
	var w strings.Builder
	fmt.Fprintf(&w, "【%s】%s\n%s\n", b.Profile.Name.JA, fill("ja"), fill("en"))
	if l.Typed {
		fmt.Fprintf(&w, "\nご自身の手続きなら、当行の画面にこの確認番号を入力してください / If this is you, type this reference into the bank's page: %s\n", b.reference(l.Notice))
		w.WriteString("確認番号をだれにも教えないでください。/ Tell it to nobody.\n")
	}
	if l.Event.stoppable() {
		fmt.Fprintf(&w, "心当たりがなければ停止 / Not you? Stop it: %s\n", b.StopURL(l.Notice))
	}
	if l.Channel == Email {
		fmt.Fprintf(&w, "\nこのメールにサインインの入口はありません。お問い合わせは通帳の電話番号 %s へ。\nThis mail never asks you to sign in. Questions: %s, the number in your passbook.\n",
			b.Profile.HelpLine, b.Profile.HelpLine)
	}
	return fmt.Sprintf("【%s】%s / %s", b.Profile.Name.JA, t.subject.JA, t.subject.EN), w.String()
}
