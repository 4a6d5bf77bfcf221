package bankd

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/kozamori/kozamori/internal/bank"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/money"
	"github.com/kozamori/kozamori/internal/observe"
	"github.com/kozamori/kozamori/internal/wire"
)

// The channels of both test banks, and their keys.
var testChannels = []ChannelConfig{
	{ID: "counter", KeyHash: wire.Hash("counter key"), May: []string{"transfers", "cash", "accounts"}},
	{ID: "payroll", KeyHash: wire.Hash("payroll key"), May: []string{"transfers"}},
}

// channelAnswer is an answer to a list of transfers, or a problem.
type channelAnswer struct {
	status    int
	Transfers []struct {
		ID, Outcome, Reason string
		Repeated            bool
		Problem             struct{ Kind, Detail string }
	}
	Kind   string
	Errors []struct{ Where, What string }
}

// channel calls as a channel.
func (w *world) channel(key, method, path string, body []byte) (status int, answer []byte) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.issuer("0149")+"/channel/v1/"+path, bytes.NewReader(body))
	must(w.t, err)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+key)
	resp, err := client.Do(req)
	must(w.t, err)
	answer, err = io.ReadAll(resp.Body)
	must(w.t, err)
	must(w.t, resp.Body.Close())
	return resp.StatusCode, answer
}

func transferOf(id, from, to string, amount money.Yen) channelTransfer {
	return channelTransfer{ID: id, From: from, To: to, Amount: amount, Narration: "きゅうよ"}
}

// transfers posts as a channel.
func (w *world) transfers(key string, list ...channelTransfer) (a channelAnswer) {
	w.t.Helper()
	body, err := json.Marshal(map[string]any{"transfers": list})
	must(w.t, err)
	return w.post(key, string(body))
}

func (w *world) post(key, body string) (a channelAnswer) {
	w.t.Helper()
	status, answer := w.channel(key, http.MethodPost, "transfers", []byte(body))
	must(w.t, json.Unmarshal(answer, &a))
	a.status = status
	return a
}

// wants holds the outcomes against words: "done", "done again", or a reason.
func (a channelAnswer) wants(t *testing.T, outcomes ...string) {
	t.Helper()
	var got []string
	for _, o := range a.Transfers {
		word := o.Outcome
		if o.Outcome == "refused" {
			word = o.Reason
			if o.Problem.Kind == "" || o.Problem.Detail == "" {
				t.Errorf("%s is refused without a problem", o.ID)
			}
		}
		if o.Repeated {
			word += " again"
		}
		got = append(got, word)
	}
	if a.status != http.StatusOK || strings.Join(got, ", ") != strings.Join(outcomes, ", ") {
		t.Errorf("%d %q, want %q", a.status, got, outcomes)
	}
}

// two are 佐藤花子's account and a friend's, 1,000,000 yen on each.
func (w *world) two() (hers, friends string) {
	w.t.Helper()
	friend := w.hanako("0149", func(n *bank.NewAccount) { n.Number, n.CardID, n.Phone, n.Email = "7654321", "card-2", "", "" })
	return string(w.hanako("0149", nil).ID), string(friend.ID)
}

func (w *world) holds(acc string) money.Yen {
	w.t.Helper()
	yen, err := w.banks["0149"].bank.Balance(w.t.Context(), bank.AccountID(acc))
	must(w.t, err)
	return yen
}

// sums fails unless two accounts and the vault are what they must be, and together nothing.
func (w *world) sums(hers, friends string, her, friend money.Yen) {
	w.t.Helper()
	vault, err := w.banks["0149"].bank.Books.Account(w.t.Context(), bank.Vault)
	must(w.t, err)
	if a, b := w.holds(hers), w.holds(friends); a != her || b != friend || a+b+vault.Balance != 0 {
		w.t.Errorf("balances %d, %d and %d in the vault, want %d and %d", a, b, vault.Balance, her, friend)
	}
}

// A channel moves money between deposits, and from and to the vault; both passbooks print it as they can.
func TestChannelPostsTransfers(t *testing.T) {
	w := newWorld(t)
	hers, friends := w.two()
	w.transfers("counter key", transferOf("t1", hers, friends, 300_000), transferOf("t2", "vault", hers, 5_000), transferOf("t3", friends, "vault", 1_000)).wants(t, "done", "done", "done")
	w.sums(hers, friends, 705_000, 1_299_000)
	for acc, want := range map[string]bank.PassbookLine{
		hers:    {In: 5_000, Balance: 705_000, Narration: "ｷﾕｳﾖ"},
		friends: {Out: 1_000, Balance: 1_299_000, Narration: "ｷﾕｳﾖ"},
	} {
		lines, err := w.banks["0149"].bank.Passbook(t.Context(), bank.AccountID(acc), 0, 1)
		must(t, err)
		if l := lines[0]; l.In != want.In || l.Out != want.Out || l.Balance != want.Balance || l.Narration != want.Narration {
			t.Errorf("passbook %+v, want %+v", l, want)
		}
	}
	// More than the limits on links (M1) would let pass: they are not about the bank's own counter.
	left, used, err := w.banks["0149"].bank.LimitLeft(t.Context(), bank.AccountID(hers))
	must(t, err)
	w.transfers("counter key", transferOf("t4", hers, friends, left.Each+1)).wants(t, "done")
	if _, now, err := w.banks["0149"].bank.LimitLeft(t.Context(), bank.AccountID(hers)); err != nil || now != used {
		t.Errorf("the limit over links counts a counter's transfer: %+v %+v %v", used, now, err)
	}
}

// The answer to an id is its answer for ever, also a refusal, and each channel has ids of its own.
func TestChannelIDsAreDoneOnceForEver(t *testing.T) {
	w := newWorld(t)
	hers, friends := w.two()
	one := transferOf("t1", hers, friends, 100)
	w.transfers("counter key", one).wants(t, "done")
	w.transfers("counter key", one).wants(t, "done again")
	other := one
	other.Amount = 200
	w.transfers("counter key", other).wants(t, "id")
	other = one
	other.Narration = "ｷﾕｳﾖ" // the same, once it is narrow
	w.transfers("counter key", other).wants(t, "done again")
	other.Narration = "ﾎﾞｰﾅｽ"
	w.transfers("counter key", other).wants(t, "id")
	twice := transferOf("t2", hers, friends, 100)
	again := twice
	again.To, again.From = twice.From, twice.To
	w.transfers("counter key", twice, twice, again).wants(t, "done", "done again", "id")
	w.transfers("payroll key", one).wants(t, "done") // another channel's t1
	w.sums(hers, friends, 999_700, 1_000_300)

	much := transferOf("t3", hers, friends, 999_701)
	w.transfers("counter key", much, transferOf("t4", "vault", hers, 1)).wants(t, "funds", "done")
	w.transfers("counter key", much).wants(t, "funds again") // though now there would be enough
	w.sums(hers, friends, 999_701, 1_000_300)
}

// One that is refused stops none of the others, and says why.
func TestChannelRefusals(t *testing.T) {
	w := newWorld(t)
	hers, friends := w.two()
	nobody := id.Random("acc")
	w.transfers("counter key", transferOf("t1", hers, nobody, 1), transferOf("t2", nobody, hers, 1), transferOf("t3", hers, friends, 1_000_001), transferOf("t4", hers, friends, 1_000_000),
		transferOf("t5", hers, "vault", 1)).wants(t, "account", "account", "funds", "done", "funds")
	w.transfers("counter key", transferOf("t1", friends, hers, 500_000)).wants(t, "done") // an unknown account leaves the id free

	b := w.banks["0149"].bank
	freeze := func(in, out bool) {
		_, err := b.Core.Submit(t.Context(), ledger.Request{At: w.clock(), Do: ledger.Freeze{Account: bank.Deposit(bank.AccountID(hers)), In: in, Out: out}})
		must(t, err)
	}
	freeze(false, true)
	w.transfers("counter key", transferOf("f1", hers, friends, 1), transferOf("f2", friends, hers, 1)).wants(t, "frozen", "done")
	freeze(true, false)
	w.transfers("counter key", transferOf("f3", hers, friends, 1), transferOf("f4", friends, hers, 1)).wants(t, "done", "frozen")
	freeze(false, false)
	must(t, b.CloseAccount(t.Context(), bank.AccountID(hers)))
	w.transfers("counter key", transferOf("c1", hers, friends, 1), transferOf("c2", friends, hers, 1), transferOf("c3", "vault", hers, 1)).wants(t, "frozen", "frozen", "frozen")
	w.sums(hers, friends, 0, 1_500_000)
}

// Every mistake of a list is named, and nothing of the list is done.
func TestChannelListsAreChecked(t *testing.T) {
	w := newWorld(t)
	hers, friends := w.two()
	good := fmt.Sprintf(`{"id":"t1","from":%q,"to":%q,"amount":1,"narration":"ｷﾕｳﾖ"}`, hers, friends)
	bad := fmt.Sprintf(`{"id":"a/b","from":%q,"to":"nostro","amount":0,"narration":"〜"}`, hers)
	same := fmt.Sprintf(`{"id":"t2","from":%[1]q,"to":%[1]q,"amount":1,"narration":"123456789012345678901"}`, hers)
	for body, want := range map[string]string{
		`{"transfers":[` + good + `,` + bad + `,` + same + `]}`: "body.transfers[1].amount body.transfers[1].id body.transfers[1].to body.transfers[1].narration body.transfers[2].to body.transfers[2].narration",
		`{"transfers":[]}`:   "body.transfers",
		`{}`:                 "body",
		`{"transfers":null}`: "body.transfers",
		`{"transfers":[` + strings.Repeat(good+",", 100) + good + `]}`:              "body.transfers",
		`{"transfers":[` + good[:len(good)-1] + `,"gate":"x"}]}`:                    "body.transfers[0].gate",
		`{"transfers":[` + strings.Replace(good, `:1,`, `:1.5,`, 1) + `]}`:          "body.transfers[0].amount",
		`{"transfers":[` + strings.Replace(good, `:1,`, `:1,"amount":2,`, 1) + `]}`: "",
	} {
		a := w.post("counter key", body)
		var where []string
		for _, e := range a.Errors {
			where = append(where, e.Where)
		}
		if got := strings.Join(where, " "); a.status != http.StatusBadRequest || a.Kind != "invalid" || got != want {
			t.Errorf("%.80s: %d %s %q, want %q", body, a.status, a.Kind, got, want)
		}
	}
	w.sums(hers, friends, 1_000_000, 1_000_000)
}

// A key opens one channel of one bank, and no more than it may do.
func TestChannelKeys(t *testing.T) {
	var log bytes.Buffer
	w := newWorldWith(t, observe.NewLogger(&log, "bank", nil))
	hers, friends := w.two()
	for _, key := range []string{"", "wrong", testChannels[0].KeyHash, "counter key "} {
		if a := w.transfers(key, transferOf("t1", hers, friends, 1)); (a.status == http.StatusOK) != (key == "counter key ") {
			t.Errorf("key %q: %d", key, a.status)
		}
	}
	if a := w.transfers("payroll key", transferOf("t2", hers, friends, 1), transferOf("t3", "vault", hers, 1)); a.status != http.StatusForbidden || a.Kind != "forbidden" {
		t.Errorf("cash without the right: %+v", a)
	}
	for _, call := range [][2]string{{http.MethodPost, "accounts"}, {http.MethodGet, "accounts?branch=101&kind=ordinary&number=1234567"}} {
		body := []byte(`{"branch":"101","kind":"ordinary","number":"1111111","holder_kana":"スズキ タロウ","holder_name":"鈴木 太郎","birth_date":"1990-01-01"}`)
		if status, answer := w.channel("payroll key", call[0], call[1], body); status != http.StatusForbidden {
			t.Errorf("%s without the right: %d %s", call[1], status, answer)
		}
	}
	w.sums(hers, friends, 999_999, 1_000_001)
	w.transfers("counter key", transferOf("t9", hers, id.Random("acc"), 1))
	text := log.String()
	for _, want := range []string{`"party":"0149/channel/counter"`, `"transfers":1,"refused":1`, `"route":"POST /channel/v1/transfers"`, `"party":"0149","kind":"unauthorised"`} {
		if !strings.Contains(text, want) {
			t.Errorf("the log lacks %s: %s", want, text)
		}
	}
	for _, secret := range []string{"counter key", hers, friends} {
		if strings.Contains(text, secret) {
			t.Errorf("the log tells %s", secret)
		}
	}
}

// A counter opens an account once, finds it by its place, and pays into it.
func TestChannelOpensAccounts(t *testing.T) {
	w := newWorld(t)
	body := `{"branch":"101","kind":"ordinary","number":"1111111","holder_kana":"すずき たろう","holder_name":"鈴木 太郎","birth_date":"1990-01-01","opening":5000}`
	open := func(body string) (int, string) {
		status, answer := w.channel("counter key", http.MethodPost, "accounts", []byte(body))
		var a struct{ Account string }
		must(t, json.Unmarshal(answer, &a))
		return status, a.Account
	}
	status, acc := open(body)
	if again, same := open(body); status != http.StatusCreated || again != http.StatusOK || same != acc || !id.Valid(acc, "acc") {
		t.Errorf("%d %s, then %d %s", status, acc, again, same)
	}
	if status, _ := open(strings.Replace(body, "たろう", "じろう", 1)); status != http.StatusConflict {
		t.Errorf("somebody else at the same place: %d", status)
	}
	if status, _ := open(strings.Replace(body, "すずき", "Suzuki!", 1)); status != http.StatusBadRequest {
		t.Errorf("a holder that is no name: %d", status)
	}
	w.transfers("counter key", transferOf("t1", "vault", acc, 2_000)).wants(t, "done")
	status, answer := w.channel("counter key", http.MethodGet, "accounts?branch=101&kind=ordinary&number=1111111", nil)
	if want := fmt.Sprintf(`{"account":%q,"balance":7000,"free":7000,"frozen_in":false,"frozen_out":false,"closed":false}`, acc); status != http.StatusOK || strings.TrimSpace(string(answer)) != want {
		t.Errorf("%d %s, want %s", status, answer, want)
	}
	if status, _ := w.channel("counter key", http.MethodGet, "accounts?branch=101&kind=current&number=1111111", nil); status != http.StatusNotFound {
		t.Errorf("a place where nobody is: %d", status)
	}
}

// 256 connections at once, every transfer asked twice: each is done once, and nothing comes from nowhere.
func TestChannelUnderLoad(t *testing.T) {
	w := newWorld(t)
	hers, friends := w.two()
	var done, again, poor sync.Map
	var wg sync.WaitGroup
	const callers, rounds = 256, 4
	for c := range callers {
		wg.Go(func() {
			for r := range rounds {
				from, to := hers, friends
				if (c/2+r)%2 == 0 {
					from, to = to, from
				}
				id := fmt.Sprintf("load-%d-%d", c/2, r)
				a := w.transfers("counter key", transferOf(id, from, to, 1_000), transferOf(id+"-much", from, to, 2_000_001))
				if a.status != http.StatusOK || len(a.Transfers) != 2 {
					t.Errorf("%d %s", a.status, a.Kind)
					continue
				}
				into := &done
				if a.Transfers[0].Repeated {
					into = &again
				}
				if _, twice := into.LoadOrStore(id, true); twice || a.Transfers[0].Outcome != "done" {
					t.Errorf("%s: %+v", id, a.Transfers[0])
				}
				if a.Transfers[1].Reason != bank.PostingFunds {
					t.Errorf("%s: %+v", id, a.Transfers[1])
				}
				poor.Store(id, true)
			}
		})
	}
	wg.Wait()
	for name, m := range map[string]*sync.Map{"done": &done, "again": &again, "poor": &poor} {
		n := 0
		m.Range(func(any, any) bool { n++; return true })
		if n != callers/2*rounds {
			t.Errorf("%s: %d, want %d", name, n, callers/2*rounds)
		}
	}
	w.sums(hers, friends, 1_000_000, 1_000_000)
}
