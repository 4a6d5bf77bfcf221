package bankd

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/kozamori/kozamori/internal/bank"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/web"
	"github.com/kozamori/kozamori/internal/zengin"
)

func accountForm() *web.Form {
	return web.NewForm(
		web.Field{Name: "branch", Kind: web.SuggestField, Suggest: "/link/branches", Max: 60,
			Label: fault.Text{JA: "支店", EN: "Branch"},
			Hint:  fault.Text{JA: "支店名、かな、ローマ字、3桁の支店コードのどれでも探せます。", EN: "By name, kana, romaji or three-digit code."}},
		web.Field{Name: "kind", Kind: web.ChoiceField, Label: fault.Text{JA: "口座の種類", EN: "Kind of account"}, Value: string(bank.Ordinary),
			Options: []web.Option{
				{Value: string(bank.Ordinary), Text: fault.Text{JA: "普通", EN: "Ordinary (futsū)"}},
				{Value: string(bank.Current), Text: fault.Text{JA: "当座", EN: "Current (tōza)"}},
			}},
		web.Field{Name: "number", Kind: web.DigitsField, Min: 1, Max: 8, Label: fault.Text{JA: "口座番号", EN: "Account number"},
			Hint: fault.Text{JA: "7桁の数字です。7桁より短いときは、先頭に0を補います。", EN: "Seven digits; a shorter number is filled up with zeros in front."}},
	)
}

func codeForm() *web.Form {
	return web.NewForm(web.Field{Name: "code", Kind: web.CodeField, Min: 6, Max: 8, Label: fault.Text{JA: "確認コード（6桁）", EN: "Code (6 digits)"}})
}

func pinForm() *web.Form {
	return web.NewForm(web.Field{Name: "pin", Kind: web.PINField, Min: 4, Max: 4,
		Label: fault.Text{JA: "キャッシュカードの暗証番号（4桁）", EN: "PIN of your cash card (4 digits)"}})
}

// directory is the list of branches the bank stands in: today's, or for a bank that has merged since, the one
// of 2020.
func (t *tenant) directory() *zengin.Directory {
	if _, ok := zengin.Today().Bank(t.bank.Profile.Code); ok {
		return zengin.Today()
	}
	return zengin.In2020()
}

// suggestion is an entry of a list shown while typing.
type suggestion struct {
	Value string `json:"value"`
	Label string `json:"label"`
	Note  string `json:"note"`
}

// branches answers what the branch field shows while somebody types.
func (t *tenant) branches(w http.ResponseWriter, r *http.Request) error {
	out := []suggestion{}
	for _, b := range t.directory().SearchBranch(t.bank.Profile.Code, r.URL.Query().Get("q"), 8) {
		out = append(out, suggestion{Value: b.Code, Label: b.Title(), Note: b.Code + "　" + b.Kana})
	}
	web.WriteJSON(w, http.StatusOK, out)
	return nil
}

// branchOf is the code of the branch a person chose or typed; "" where it is not clear which.
func (t *tenant) branchOf(typed, choice string) string {
	dir := t.directory()
	for _, code := range []string{choice, typed} {
		if len(code) == 3 && strings.Trim(code, "0123456789") == "" {
			return code // whether there is such a branch, nobody is told (L3)
		}
	}
	found := dir.SearchBranch(t.bank.Profile.Code, typed, 2)
	if len(found) == 1 || (len(found) > 1 && (found[0].Name == typed || found[0].Title() == typed)) {
		return found[0].Code
	}
	return ""
}

// enterAccount takes the account. Only its form is ever complained about.
func (t *tenant) enterAccount(w http.ResponseWriter, r *http.Request) error {
	h, err := t.session(r)
	if err != nil || h.req.State != bank.RequestOpened {
		return onward(w, r, "/link/"+url.PathEscape(r.PathValue("r")))
	}
	form := accountForm()
	ok := form.Read(w, r)
	place := bank.Place{Bank: t.bank.Profile.Code, Branch: t.branchOf(form.Value("branch"), form.Choice("branch")),
		Kind: bank.Kind(form.Value("kind")), Number: strings.Repeat("0", max(0, 7-len(form.Value("number")))) + form.Value("number")}
	if ok && place.Branch == "" {
		form.Fail("branch", fault.Text{JA: "一覧から支店を選んでください。", EN: "Please choose a branch from the list."})
		ok = false
	}
	if ok && len(place.Number) != 7 {
		form.Fail("number", fault.Text{JA: "口座番号は7桁までの数字です。", EN: "An account number has up to seven digits."})
		ok = false
	}
	if !ok {
		if err := t.allowReturn(w, h.req); err != nil {
			return err
		}
		t.site.RenderStatus(w, r, http.StatusUnprocessableEntity, accountPage{t.asking(h.req, 1), form})
		return nil
	}
	if err := t.bank.Enter(r.Context(), &h.req, place); err != nil {
		return err
	}
	return onward(w, r, "/link/"+string(h.req.ID))
}

// prove reads the session of a step at which possession is being proved; ok is false, and the answer given,
// where the request is at another step.
func (t *tenant) prove(w http.ResponseWriter, r *http.Request) (h held, ok bool, err error) {
	h, err = t.session(r)
	if err != nil || h.req.State != bank.RequestEntered {
		return h, false, onward(w, r, "/link/"+url.PathEscape(r.PathValue("r")))
	}
	return h, true, nil
}

// askCode sends a code, or does not: the answer is the same.
func (t *tenant) askCode(w http.ResponseWriter, r *http.Request) error {
	h, ok, err := t.prove(w, r)
	if !ok {
		return err
	}
	if _, err := t.bank.SendCode(r.Context(), h.proof); err != nil {
		return err
	}
	return onward(w, r, "/link/"+string(h.req.ID)+"/method/code")
}

func (t *tenant) checkCode(w http.ResponseWriter, r *http.Request) error {
	h, ok, err := t.prove(w, r)
	if !ok {
		return err
	}
	form := codeForm()
	if !form.Read(w, r) {
		if err := t.allowReturn(w, h.req); err != nil {
			return err
		}
		left, _ := bank.TriesLeft(h.proof, h.req)
		t.site.RenderStatus(w, r, http.StatusUnprocessableEntity, codePage{t.asking(h.req, 2), form, left, true, h.proof.CodesAsked < bank.CodesAsked})
		return nil
	}
	p, err := t.bank.CheckCode(r.Context(), h.proof, form.Value("code"))
	if bank.NotProved(err) && h.proof.Tries+1 >= bank.CodeTries {
		return t.giveUp(w, r, h.req, "code tries")
	}
	return t.proven(w, r, h, p, err, bank.ProofCode)
}

func (t *tenant) checkPasskey(w http.ResponseWriter, r *http.Request) error {
	h, ok, err := t.prove(w, r)
	if !ok {
		return err
	}
	p, err := t.bank.FinishPasskey(r.Context(), h.proof, []byte(r.PostFormValue("credential")))
	return t.proven(w, r, h, p, err, bank.ProofPasskey)
}

func (t *tenant) checkWindow(w http.ResponseWriter, r *http.Request) error {
	h, ok, err := t.prove(w, r)
	if !ok {
		return err
	}
	p, err := t.bank.TakeWindow(r.Context(), h.proof)
	return t.proven(w, r, h, p, err, bank.ProofATM)
}

// proven goes on with a proof, or back to where it was tried.
func (t *tenant) proven(w http.ResponseWriter, r *http.Request, h held, p bank.Possession, err error, kind bank.ProofKind) error {
	if bank.NotProved(err) {
		return onward(w, r, "/link/"+string(h.req.ID)+"/method/"+string(kind)+"?again=1")
	}
	if err != nil {
		return err
	}
	if err := t.bank.TakePossession(r.Context(), &h.req, p); err != nil {
		return err
	}
	return onward(w, r, "/link/"+string(h.req.ID))
}

func (t *tenant) giveUp(w http.ResponseWriter, r *http.Request, req bank.Request, why string) error {
	if err := t.bank.End(r.Context(), req, why); err != nil {
		return err
	}
	return onward(w, r, "/link/"+string(req.ID))
}

func (t *tenant) checkPIN(w http.ResponseWriter, r *http.Request) error {
	h, err := t.session(r)
	if err != nil || h.req.State != bank.RequestProved {
		return onward(w, r, "/link/"+url.PathEscape(r.PathValue("r")))
	}
	form := pinForm()
	if !form.Read(w, r) {
		if err := t.allowReturn(w, h.req); err != nil {
			return err
		}
		_, left := bank.TriesLeft(h.proof, h.req)
		t.site.RenderStatus(w, r, http.StatusUnprocessableEntity, pinPage{t.asking(h.req, 3), form, left})
		return nil
	}
	if _, err := t.bank.EnterPIN(r.Context(), &h.req, h.cookie, bank.PIN(form.Value("pin"))); err != nil {
		return err
	}
	return onward(w, r, "/link/"+string(h.req.ID))
}

func (t *tenant) consentForm() *web.Form {
	return web.NewForm(
		web.Field{Name: "reference", Kind: web.DigitsField, Optional: true, Max: 12,
			Label: fault.Text{JA: "お知らせメールの番号（8桁）", EN: "Number from our e-mail (8 digits)"},
			Hint: fault.Text{
				JA: "当行からの「口座連携の申し込み」のメールに書かれています。届かないときは空のままで、24時間以内に当行のATMで確認してください。",
				EN: "It stands in our e-mail about this request. If none has come, leave this empty and confirm at one of our ATMs within 24 hours."}},
		web.Field{Name: "agree", Kind: web.CheckField,
			Label: fault.Text{JA: "この申し込みは自分がいま行っているもので、電話などでだれかに指示されたものではありません。", EN: "I am asking for this link myself, now. Nobody told me to by telephone or otherwise."}},
	)
}

func (t *tenant) showConsent(w http.ResponseWriter, r *http.Request, status int, h held, form *web.Form) error {
	acc, err := t.bank.Store.Account(r.Context(), h.req.Account)
	if err != nil {
		return err
	}
	d := h.req.Asked()
	valid, err := time.Parse(time.DateOnly, d.ValidUntil)
	if err != nil {
		return err
	}
	t.site.RenderStatus(w, r, status, consentPage{
		asking: t.asking(h.req, 4), Form: form, Holder: h.req.Holder, Account: acc.Masked(), Limits: d.Limits,
		Cap:     t.bank.Policy.LimitedCap,
		Cooling: t.bank.Policy.Cooling, Weak: !h.req.Proved.Strong(), Valid: valid, HelpLine: t.bank.Profile.HelpLine,
	})
	return nil
}

func (t *tenant) consent(w http.ResponseWriter, r *http.Request) error {
	h, err := t.session(r)
	if err != nil || h.req.State != bank.RequestIdentified {
		return onward(w, r, "/link/"+url.PathEscape(r.PathValue("r")))
	}
	if err := t.allowReturn(w, h.req); err != nil {
		return err
	}
	form := t.consentForm()
	if !form.Read(w, r) {
		return t.showConsent(w, r, http.StatusUnprocessableEntity, h, form)
	}
	if typed := form.Value("reference"); typed != "" {
		right, err := t.bank.Typed(r.Context(), h.req.ID, typed)
		if err != nil {
			return err
		}
		if !right {
			form.Fail("reference", fault.Text{JA: "番号が違います。", EN: "This is not the number."})
			return t.showConsent(w, r, http.StatusUnprocessableEntity, h, form)
		}
	}
	to, err := t.bank.Consent(r.Context(), &h.req, h.cookie)
	if fault.Of(err) == fault.Refused { // after full proof the reason is said plainly
		form.Problem = fault.PublicOf(err)
		return t.showConsent(w, r, http.StatusUnprocessableEntity, h, form)
	}
	if err != nil {
		return err
	}
	return onward(w, r, to)
}

func (t *tenant) cancel(w http.ResponseWriter, r *http.Request) error {
	req, err := t.bank.SessionRequest(r.Context(), id.Request(r.PathValue("r")), browserSecret(r))
	if err != nil {
		return err
	}
	if err := t.allowReturn(w, req); err != nil {
		return err
	}
	to, err := t.bank.Cancel(r.Context(), req)
	if err != nil {
		return err
	}
	return onward(w, r, to)
}
