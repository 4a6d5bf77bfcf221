package bankd

import "github.com/kozamori/kozamori/internal/web"

// linkTexts are the words of the pages of a link request.
var linkTexts = web.Texts{
	"link.steps": {JA: "手続きの進み具合", EN: "Progress"},
	"link.step1": {JA: "口座", EN: "Account"},
	"link.step2": {JA: "本人確認", EN: "Proof"},
	"link.step3": {JA: "暗証番号", EN: "PIN"},
	"link.step4": {JA: "同意", EN: "Consent"},
	"link.next":  {JA: "次へ", EN: "Continue"},
	"link.leave": {JA: "手続きをやめる", EN: "Cancel this request"},
	"link.other": {JA: "ほかの方法を選ぶ", EN: "Choose another way"},
	"link.ref":   {JA: "受付番号", EN: "Reference"},

	"link.account":      {JA: "連携する口座", EN: "The account to link"},
	"link.account.lead": {JA: "%sが、お客さまの口座との連携を求めています。連携する口座を入力してください。", EN: "%s asks for a link to your account. Please enter the account."},
	"link.why":          {JA: "入力した情報の使われ方", EN: "What happens with this"},
	"link.why.text": {
		JA: "口座番号や暗証番号は当行だけが確認し、サービスには伝えません。サービスが確認したお名前・生年月日・電話番号は、口座の登録内容と照らし合わせたあと、ただちに消去します。",
		EN: "Only the bank sees your account number and PIN; the service never does. The name, birth date and phone number that the service has confirmed are compared with our records and then deleted at once."},

	"link.methods":      {JA: "ご本人の確認方法", EN: "How to prove it is you"},
	"link.methods.lead": {JA: "お手元にあるもので、ご本人であることを確認します。", EN: "We ask for something that only you have."},
	"link.nophone": {
		JA: "届け出の電話番号がない方、番号が変わった方、この7日以内に連絡先や暗証番号を変えた方は、当行のATMまたは窓口で確認できます。お問い合わせ %s",
		EN: "Without a phone number on file, with a new one, or within 7 days of changing contacts or PIN, please use one of our ATMs or a counter. Help line %s"},

	"link.passkey":      {JA: "当行のパスキー", EN: "Passkey of the bank"},
	"link.passkey.note": {JA: "登録済みの端末で。もっとも安全です", EN: "On a device you registered. The safest way"},
	"link.passkey.lead": {JA: "当行のページで登録したパスキーを使います。指紋・顔・端末の暗証番号で確認します。", EN: "Use the passkey you registered on the bank's own pages."},
	"link.passkey.use":  {JA: "パスキーで確認する", EN: "Use the passkey"},
	"link.notproved":    {JA: "確認できませんでした。もう一度試すか、ほかの方法を選んでください。", EN: "We could not confirm this. Please try again, or choose another way."},

	"link.code":       {JA: "電話に届く確認コード", EN: "Code to your phone"},
	"link.code.note":  {JA: "届け出の携帯電話へSMSで", EN: "By SMS to the phone on file"},
	"link.code.lead":  {JA: "登録内容と一致し、SMSを送れる場合に、届け出の電話番号へ6桁のコードを送ります。", EN: "If everything agrees with our records and an SMS can be sent, a code of 6 digits goes to the phone on file."},
	"link.code.ask":   {JA: "コードは5分間有効です。1日に送れる回数には限りがあります。", EN: "A code is good for 5 minutes. Only a few are sent in a day."},
	"link.code.send":  {JA: "コードを送る", EN: "Send a code"},
	"link.code.sent":  {JA: "コードが届いたら、5分以内に入力してください。届かないときは、登録内容が一致していないか、SMSを送れない場合があります。", EN: "When a code arrives, please enter it within 5 minutes. If none does, something may not agree with our records, or no SMS can be sent."},
	"link.code.more":  {JA: "もう一度送る", EN: "Send another"},
	"link.code.again": {JA: "確認できませんでした。あと%d回入力できます。", EN: "We could not confirm this. %d tries are left."},
	"link.never":      {JA: "コードはだれにも教えないでください", EN: "Never tell anyone the code"},
	"link.never.text": {JA: "当行や警察、サービスの担当者が電話やメッセージでコードを聞くことはありません。聞かれたら詐欺です。", EN: "Neither the bank, the police nor the service ever asks for it by telephone or message. Who does is a fraud."},

	"link.atm":        {JA: "ATMで確認", EN: "At an ATM"},
	"link.atm.note":   {JA: "キャッシュカードで。電話がなくてもできます", EN: "With your cash card; no phone needed"},
	"link.atm.lead":   {JA: "当行のATMで、この受付番号の申し込みを確認してください。この画面は開いたままにします。", EN: "Please confirm this request at one of our ATMs. Leave this page open."},
	"link.atm.1":      {JA: "ATMで「受付番号での確認」を選び、キャッシュカードと暗証番号を入れます。", EN: "Choose “Confirm by reference” at the ATM; put in your card and PIN."},
	"link.atm.2":      {JA: "上の受付番号を入力し、画面に「%s」とお手続きの内容、口座連携ではお名前も出ることを確かめて、確認を押します。", EN: "Type the reference above, see that it shows “%s”, what you are doing and, for a link, your name, and confirm."},
	"link.atm.3":      {JA: "10分以内にこの画面へ戻り、下のボタンを押します。", EN: "Come back to this page within 10 minutes and press the button below."},
	"link.atm.until":  {JA: "この手続きは%sまで有効です。", EN: "This procedure is good until %s."},
	"link.atm.done":   {JA: "ATMで確認しました", EN: "I have confirmed at the ATM"},
	"link.atm.notyet": {JA: "ATMでの確認がまだ届いていません。", EN: "No confirmation from an ATM has reached us yet."},

	"link.pin":       {JA: "暗証番号", EN: "PIN"},
	"link.pin.lead":  {JA: "キャッシュカードの暗証番号を入力してください。", EN: "Please enter the PIN of your cash card."},
	"link.pin.again": {JA: "確認できませんでした。あと%d回入力できます。", EN: "We could not confirm this. %d tries are left."},

	"link.consent":      {JA: "連携の内容の確認", EN: "What you agree to"},
	"link.consent.lead": {JA: "%sがお客さまの口座から引き落とせるようになります。よく読んで、よければ同意してください。", EN: "%s will be able to debit your account. Please read this, and agree only if it is right."},
	"link.who":          {JA: "申し込み元のサービス", EN: "Who asks"},
	"link.holder":       {JA: "サービスでの名義", EN: "In whose name"},
	"link.from":         {JA: "引き落とし口座", EN: "From your account"},
	"link.much":         {JA: "引き落としの上限", EN: "At most"},
	"link.much.text":    {JA: "1回 %[1]s、24時間で %[2]s、30日で %[3]s", EN: "%[1]s at a time, %[2]s in 24 hours, %[3]s in 30 days"},
	"link.when":         {JA: "いつから", EN: "From when"},
	"link.when.text":    {JA: "連携から%[1]sは引き落としできません。そのあと24時間は合計%[2]sまでです。", EN: "Nothing for %[1]s after linking; then at most %[2]s in the next 24 hours."},
	"link.when.weak": {
		JA: "連携から%[1]sは引き落としできません。確認コードで手続きしたため、そのあとも24時間で%[2]sまでです。翌日以降にパスキーかATMで確認すると、この制限がなくなります。",
		EN: "Nothing for %[1]s after linking. As you used a code, at most %[2]s in any 24 hours after that, until you confirm the link by passkey or at an ATM, from tomorrow on."},
	"link.device":      {JA: "引き落としの条件", EN: "Each debit"},
	"link.device.text": {JA: "いまお使いの端末のパスキーで、毎回ご本人が承認したものだけです。", EN: "Only what you approve each time with the key of the device you asked from."},
	"link.valid":       {JA: "有効期限", EN: "Good until"},
	"link.stop":        {JA: "止めるには", EN: "How to stop it"},
	"link.stop.text": {
		JA: "当行のお客さまページ、お知らせに書かれた停止リンク、ATM、窓口、または電話（%s）で、いつでもすぐに止められます。サービスの承諾は要りません。",
		EN: "At any time and at once: on the bank's own pages, by the stop link in our notices, at an ATM, a counter, or by telephone (%s). The service need not agree."},
	"link.fraud":      {JA: "だれかに言われて手続きしていませんか", EN: "Did somebody tell you to do this?"},
	"link.fraud.text": {JA: "「返金」「当選」「口座の確認」などと言われて操作しているときは、手続きをやめて当行へ電話してください。", EN: "If somebody speaks of a refund, a prize or a check of your account, cancel now and call us."},
	"link.agree":      {JA: "同意して連携する", EN: "I agree"},

	"link.over":       {JA: "手続きは終わりました", EN: "This procedure is over"},
	"link.over.text":  {JA: "今回は口座を連携できませんでした。", EN: "No account was linked this time."},
	"link.over.help":  {JA: "お困りのときは、当行のATMか窓口、またはお電話（%s）で、下の受付番号をお伝えください。", EN: "If you need help, please go to one of our ATMs or a counter, or call %s and name the reference below."},
	"link.back":       {JA: "%sへ戻る", EN: "Back to %s"},
	"link.given":      {JA: "同意は済んでいます", EN: "You have agreed already"},
	"link.given.text": {JA: "%sの画面で結果を確認してください。", EN: "Please see the result on the page of %s."},
}
