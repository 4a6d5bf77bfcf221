package wallet

import (
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/observe"
	"github.com/kozamori/kozamori/internal/outbox"
)

// The kinds of outbox messages that reach a person.
const (
	KindMail = "mail"
	KindSMS  = "sms"
)

// Letter is the payload of KindMail and KindSMS; an SMS has no subject.
type Letter struct {
	To      string `json:"to"`
	Subject string `json:"subject,omitempty"`
	Text    string `json:"text"`
}

// letter puts a message to a person into the outbox. The key is the address's fingerprint: what is said to one
// person arrives in order, and the database does not learn the address.
func (w *Wallet) letter(kind ContactKind, to, subject, text string) outbox.Message {
	outboxKind := KindMail
	if kind == Phone {
		outboxKind, subject = KindSMS, ""
	}
	payload, err := json.Marshal(Letter{To: to, Subject: subject, Text: text})
	if err != nil {
		panic("wallet: a letter of strings cannot be marshalled: " + err.Error())
	}
	return outbox.Message{Kind: outboxKind, Key: "to/" + hex.EncodeToString(w.mark(kind, to)[:16]), Payload: payload}
}

// purposes names what a code is for, as its text says.
var purposes = map[ErrandKind]fault.Text{
	SignUp:      {JA: "新規登録", EN: "signing up"},
	Recover:     {JA: "端末をなくした方の再設定", EN: "getting back into your account"},
	ChangeEmail: {JA: "メールアドレスの変更", EN: "changing your e-mail address"},
	ChangePhone: {JA: "電話番号の変更", EN: "changing your phone number"},
}

// codeMessage says what the code is for, so that nobody can be talked into giving it away for something else.
func (w *Wallet) codeMessage(kind ContactKind, to string, e Errand, digits observe.Secret) outbox.Message {
	name, purpose := w.Profile.Name.In(e.Lang), purposes[e.Kind].In(e.Lang)
	if e.Lang == "en" {
		return w.letter(kind, to, name+": your code", fmt.Sprintf(
			"%s: %s is your code for %s. It is good for 10 minutes. We never ask for it by phone or mail. If this was not you, do nothing.",
			name, digits.Reveal(), purpose))
	}
	return w.letter(kind, to, "【"+name+"】確認コード", fmt.Sprintf(
		"%s：%sの確認コードは %s です（10分間有効）。電話やメールでお聞きすることはありません。お心当たりがなければ何もしないでください。",
		name, purpose, digits.Reveal()))
}

// takenMessage tells the owner of a contact that somebody typed it; whoever typed it sees no difference.
func (w *Wallet) takenMessage(kind ContactKind, to string, e Errand) outbox.Message {
	name := w.Profile.Name.In(e.Lang)
	if e.Lang == "en" {
		return w.letter(kind, to, name+": you have an account",
			name+": somebody tried to register this contact. It already belongs to an account; sign in, or choose \"lost device\" there. If this was not you, do nothing.")
	}
	return w.letter(kind, to, "【"+name+"】すでに登録されています",
		name+"：この連絡先の登録が試みられましたが、すでに口座で使われています。サインインするか「端末をなくした方」へお進みください。お心当たりがなければ何もしないでください。")
}

var changeTexts = map[LinkChangeKind]fault.Text{
	ChangedEmail:    {JA: "メールアドレスが変更されました", EN: "your e-mail address was changed"},
	ChangedPhone:    {JA: "電話番号が変更されました", EN: "your phone number was changed"},
	ChangedDevice:   {JA: "端末（パスキー）が変更されました", EN: "your device (passkey) was changed"},
	ChangedRecovery: {JA: "口座が再設定され、新しい端末が登録されました", EN: "your account was recovered with a new device"},
}

// noticeChange tells a holder at the contacts she had before that something of hers was changed.
func (w *Wallet) noticeChange(before Holder, change LinkChangeKind) []ledger.Write {
	name, what := w.Profile.Name.In(before.Lang), changeTexts[change].In(before.Lang)
	subject := "【" + name + "】登録内容の変更"
	text := name + "：" + what + "。銀行口座の連携は安全のため一定期間制限されます。お心当たりがない場合はサポートへご連絡ください。"
	if before.Lang == "en" {
		subject = name + ": a change to your account"
		text = name + ": " + what + ". Your bank links are restricted for a while. If this was not you, contact support."
	}
	return []ledger.Write{w.letter(Email, before.Email, subject, text), w.letter(Phone, before.Phone, subject, text)}
}
