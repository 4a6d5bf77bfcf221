package audit_test

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/kozamori/kozamori/internal/audit"
	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/wallet"
)

const (
	atBank   = "data/bank/0149/money.db"
	atWallet = "data/maru/money.db"
	atHub    = "data/hub/hub.db"
)

func TestCleanBooksAgree(t *testing.T) {
	w := newWorld(t)
	h := w.live()
	r, err := audit.Run(t.Context(), w.dir, w.now)
	must(t, err)
	var text strings.Builder
	must(t, r.Text(&text))
	if !r.Agrees || len(r.Differences) != 0 {
		t.Fatalf("clean books differ:\n%s", text.String())
	}
	if !strings.Contains(text.String(), "帳簿は一致しています") {
		t.Errorf("the text does not say so:\n%s", text.String())
	}
	if len(r.Pairs) != 1 || r.Pairs[0].Service != "maru" || r.Pairs[0].Bank != "0149" {
		t.Fatalf("pairs: %+v", r.Pairs)
	}
	for debit, want := range map[id.Debit]audit.Debit{
		h.done:      {Service: "maru", Bank: "0149", Amount: 20_000, AtService: "done", AtBank: "booked"},
		h.reversing: {Service: "maru", Bank: "0149", Amount: r.Debits[string(h.reversing)].Amount, AtService: "reversing", AtBank: "booked"},
	} {
		if got := r.Debits[string(debit)]; got != want {
			t.Errorf("%s is seen as %+v, want %+v", debit, got, want)
		}
	}
	p := r.Pairs[0]
	if p.Owed != 30_000 || p.Claimed != 30_000 || p.PaidOut != 23_000 || p.Arrived != 3_000 {
		t.Errorf("owed %d, claimed %d, paid out %d, arrived %d", p.Owed, p.Claimed, p.PaidOut, p.Arrived)
	}
	var debits, reversals, provisional int
	for _, d := range p.Days {
		debits, reversals = debits+d.Debits, reversals+d.Reversals
		if d.Provisional {
			provisional++
		}
		if !d.Agrees {
			t.Errorf("day %+v", d)
		}
	}
	if debits != 4 || reversals != 1 || provisional != 1 {
		t.Errorf("%d debits, %d reversals, %d provisional days", debits, reversals, provisional)
	}
	open := map[string]string{}
	for _, o := range p.Open {
		open[o.Debit] = o.State + o.AtBank
	}
	if len(open) != 2 || open[string(h.sent)] != "sent" || open[string(h.reversing)] != "reversing" {
		t.Errorf("open: %v", open)
	}
	raw, err := json.Marshal(r)
	must(t, err)
	var back map[string]any
	must(t, json.Unmarshal(raw, &back))
	if back["agrees"] != true || back["differences"] == nil || back["pairs"] == nil {
		t.Errorf("JSON: %s", raw)
	}
}

// What the bank has booked while the service has not heard stands apart; it is no difference.
func TestOpenChargesStandApart(t *testing.T) {
	w := newWorld(t)
	h := w.live()
	c, err := w.store.Charge(t.Context(), h.sent)
	must(t, err)
	_, err = w.bank.Debit(t.Context(), c.Link, c.Order)
	must(t, err)
	v, err := w.store.Reversal(t.Context(), h.reversing)
	must(t, err)
	_, err = w.bank.Reverse(t.Context(), v.Text)
	must(t, err)
	r, err := audit.Look(t.Context(), w.dir, w.now)
	must(t, err)
	if !r.Agrees {
		t.Fatalf("%+v", r.Differences)
	}
	at := map[string]string{}
	for _, o := range r.Pairs[0].Open {
		at[o.Debit] = o.AtBank
	}
	if at[string(h.sent)] != "debit" || at[string(h.reversing)] != "reversal" {
		t.Errorf("open at the bank: %v", at)
	}
}

// While roles work, a look may fall between a booking and its echo: that is no difference either.
func TestAuditWhileRolesWork(t *testing.T) {
	w := newWorld(t)
	h := w.live()
	ended := make(chan error, 1)
	stop := make(chan struct{})
	go func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				ended <- nil
				return
			default:
			}
			a, err := w.wallet.AskCharge(t.Context(), h.rich.sub, h.rich.link, 10)
			if err == nil {
				_, err = w.wallet.Agreed(t.Context(), h.rich.sub, a.Charge.Debit, h.rich.device.Sign(a.Challenge))
			}
			if err == nil {
				err = w.wallet.DeliverDebit(t.Context(), a.Charge.Debit)
			}
			if err != nil {
				ended <- err
				return
			}
		}
	}()
	for range 8 {
		r, err := audit.Run(t.Context(), w.dir, w.now)
		must(t, err)
		if !r.Agrees {
			t.Errorf("%+v", r.Differences)
		}
	}
	close(stop)
	must(t, <-ended)
}

func TestNothingToAudit(t *testing.T) {
	if _, err := audit.Run(t.Context(), t.TempDir(), clock.System); err == nil {
		t.Error("an empty directory agrees")
	}
}

// Books that cannot be read are not books that are not there, and are never passed over.
func TestBooksThatCannotBeRead(t *testing.T) {
	for _, made := range []string{"data", "data/maru", "data/bank/0149", "data/maru/money.db"} {
		dir := t.TempDir()
		path := filepath.Join(dir, made)
		must(t, os.MkdirAll(filepath.Dir(path), 0o700))
		must(t, os.Symlink(filepath.Base(path), path)) // leads to itself: nobody can open it, not even root
		_, err := audit.Run(t.Context(), dir, clock.System)
		if err == nil || !strings.Contains(err.Error(), path+" cannot be read") {
			t.Errorf("%s: %v", made, err)
		}
	}
	err := audit.Unreadable("data/maru", &fs.PathError{Op: "open", Path: "data/maru", Err: syscall.EACCES})
	if !strings.Contains(err.Error(), "data/maru may not be read by this user") {
		t.Errorf("not allowed: %v", err)
	}
}

// corruption is one thing that somebody changed behind the roles' backs, and where it must be found.
type corruption struct {
	name  string
	file  string
	sql   []string
	role  string
	table string
	what  string // of the difference, or its rule
}

func corruptions(h history) []corruption {
	q := func(sql string) string {
		return strings.NewReplacer("$done", string(h.done), "$matured", string(h.matured), "$reversed", string(h.reversed), "$reversing", string(h.reversing),
			"$refused", string(h.refused), "$never", string(h.never), "$sent", string(h.sent), "$rev", h.reversal.ID,
			"$rich", string(h.rich.sub), "$acc", string(h.rich.account), "$poor", string(h.poor.account), "$link", string(h.rich.link), "$other", string(h.poor.link)).Replace(sql)
	}
	bank := func(name, table, what string, sql ...string) corruption {
		return corruption{name, atBank, sql, "bank 0149", table, what}
	}
	maru := func(name, table, what string, sql ...string) corruption {
		return corruption{name, atWallet, sql, "wallet maru", table, what}
	}
	pair := func(name, file, table, what string, sql ...string) corruption {
		return corruption{name, file, sql, "maru ↔ 0149", table, what}
	}
	all := []corruption{
		// The ledger by itself.
		bank("leg of another amount", "ledger_entries", "the balance of", `UPDATE ledger_entries SET amount = amount + 1 WHERE id = 'maru/$done'`),
		bank("balance", "ledger_accounts", "the balance, from its legs", `UPDATE ledger_accounts SET balance = balance + 1000 WHERE id = 'deposit/$acc'`),
		bank("sum of all", "ledger_accounts", "the sum of all balances", `UPDATE ledger_accounts SET balance = balance + 1000 WHERE id = 'deposit/$acc'`),
		bank("passbook line gone", "ledger_accounts", "the lines since its last page", `UPDATE ledger_accounts SET tail = substr(tail, 1, length(tail) - 1) WHERE id = 'deposit/$acc'`),
		bank("passbook line doubled", "ledger_accounts", "the lines since its last page", `UPDATE ledger_accounts SET tail = CAST(tail || x'00' AS BLOB) WHERE id = 'deposit/$acc'`),
		bank("balance after a line", "ledger_entries", "the balance of deposit/$acc", `UPDATE ledger_entries SET debit_after = debit_after + 5 WHERE id = 'maru/$done'`),
		bank("line at another time", "ledger_entries", "as they were logged", `UPDATE ledger_entries SET at_us = at_us - 1 WHERE id = 'maru/$done'`),
		bank("tombstone that moved money", "debit", "M12", `UPDATE ledger_entries SET act = 1, legs = 1, kind = 'debit', amount = 400,
			debit = (SELECT num FROM ledger_accounts WHERE id = 'deposit/$poor'), credit = (SELECT num FROM ledger_accounts WHERE id = 'service/maru') WHERE id = 'maru/$never'`),
		bank("use taken away", "ledger_limits", "what was used", `UPDATE ledger_limits SET meter = x'' WHERE id = 'deposit/$acc'`),
		bank("use made smaller", "ledger_limits", "M1", `UPDATE ledger_limits SET meter = (SELECT meter FROM ledger_gates WHERE id = 'link/$link') WHERE id = 'deposit/$acc'`),
		bank("what passed a gate taken away", "ledger_gates", "what passed it", `UPDATE ledger_gates SET meter = x'' WHERE id = 'link/$link'`),
		bank("limit that was passed", "ledger_limits", "any 24 hours", `UPDATE ledger_limits SET day = 19999 WHERE id = 'link/$link'`),
		bank("limit each", "ledger_limits", "one transfer", `UPDATE ledger_limits SET each = 9999 WHERE id = 'link/$link'`),
		bank("deposit below nothing", "ledger_accounts", "the floor", `UPDATE ledger_accounts SET floor = 2000000 WHERE id = 'deposit/$acc'`),
		bank("leg of no transfer", "ledger_entries", "a further leg follows", `INSERT INTO ledger_entries SELECT seq + 1, 0, at_us, '', 1, 0, '', debit, credit, 1, 0, 0, 0, '', '', '' FROM ledger_entries ORDER BY seq DESC LIMIT 1`),
		maru("hold forgotten", "ledger_accounts", "what holds will take out", `UPDATE ledger_accounts SET held_out = 0 WHERE kind = 'receivable'`),
		maru("hold that never ended", "ledger_fates", "an open hold", `UPDATE ledger_fates SET how = 'posted', ended_us = 1764000000000000 WHERE num = (SELECT seq FROM ledger_entries WHERE id = '$sent')`),
		maru("hold that was posted, given back", "ledger_fates", "what ended it", `UPDATE ledger_fates SET how = 'voided' WHERE num = (SELECT seq FROM ledger_entries WHERE id = '$done')`),
		maru("receivable beyond its cap", "ledger_accounts", "the floor", `UPDATE ledger_accounts SET floor = -100 WHERE kind = 'receivable'`),
		maru("e-money beyond its ceiling", "ledger_accounts", "the ceiling", `UPDATE ledger_accounts SET ceiling = 100 WHERE id = 'available/$rich'`),
		// A bank's rows.
		bank("receipt of another debit", "debit", "the receipt says what the row says", `UPDATE debit SET receipt = (SELECT receipt FROM debit WHERE id = '$matured') WHERE id = '$done'`),
		bank("receipt forged", "debit", "signature", `UPDATE debit SET receipt = replace(receipt, substr(receipt, -10), 'AAAAAAAAAA') WHERE id = '$done'`),
		bank("booked debit called refused", "debit", "never be booked", `UPDATE debit SET outcome = 'refused' WHERE id = '$done'`),
		bank("amount of a debit", "debit", "its transfer", `UPDATE debit SET amount = amount + 1 WHERE id = '$done'`),
		bank("doubled debit", "ledger_entries", "a debit has a booked row", `INSERT INTO ledger_entries SELECT (SELECT max(seq) + 1 FROM ledger_entries), act, at_us, 'maru/deb_again', about, legs, kind, debit, credit, amount, debit_after, credit_after, gate, limits, memo, detail FROM ledger_entries WHERE id = 'maru/$done'`),
		bank("debit row gone", "ledger_entries", "a debit has a booked row", `DELETE FROM debit WHERE id = '$done'`),
		bank("reversed twice", "reversal", "whole and once", `DROP INDEX reversal_once`, `INSERT INTO reversal SELECT service, 'rev_again', debit, link, order_hash, amount, outcome, suspense, at_us, receipt FROM reversal WHERE id = '$rev'`),
		bank("reversal unmarked", "reversal", "whole and once", `UPDATE debit SET reversed_us = 0 WHERE id = '$reversed'`),
		bank("marked as reversed", "debit", "marked as reversed", `UPDATE debit SET reversed_us = 1764000000000000 WHERE id = '$done'`),
		bank("evidence changed", "evidence", "L11", `UPDATE evidence SET kind = 'receipt' WHERE seq = 2`),
		bank("evidence swapped", "evidence", "L11", `UPDATE evidence SET jws = (SELECT jws FROM evidence WHERE seq = 2) WHERE seq = 3`),
		bank("evidence taken out", "evidence", "numbers without a gap", `DELETE FROM evidence WHERE seq = 2`),
		bank("evidence re-hashed", "evidence", "the hash of the row before", `UPDATE evidence SET prev = 'x', hash = 'y' WHERE seq = 2`),
		bank("second wallet at an account", "link", "L7", `DROP INDEX link_one_wallet`, `INSERT INTO link SELECT 'lnk_second', request, pending, since, account, service, 'sub_thief', pseudonym, state, reason, device, per_debit, per_day, per_month, proof, confirmed, valid_us, consented_us, waits_us, activated_us, ended_us, seq, version FROM link WHERE id = '$link'`),
		bank("gate of a revoked link open", "ledger_gates", "M13", `UPDATE link SET state = 'revoked' WHERE id = '$link'`),
		bank("gate without its device", "ledger_gates", "M9", `UPDATE ledger_gates SET device = '' WHERE id = 'link/$link'`),
		bank("gate below another account", "link", "M13", `UPDATE ledger_gates SET parent = (SELECT num FROM ledger_gates WHERE id = 'account/$poor') WHERE id = 'link/$link'`),
		bank("master switch gone", "account", "D2", `DELETE FROM ledger_gates WHERE id = 'account/$acc'`),
		bank("cap loosened", "ledger_gates", "L9", `UPDATE ledger_gates SET limited_cap = 50000 WHERE id = 'link/$link'`),
		bank("debit of another link", "debit", "the gate it passed", `UPDATE debit SET link = '$other' WHERE id = '$done'`),
		bank("settlement", "ledger_accounts", "what the bank owes", `UPDATE ledger_accounts SET balance = balance - 20000 WHERE id = 'service/maru'`),
		bank("money from nowhere", "ledger_entries", "a kind of transfer", `UPDATE ledger_entries SET kind = 'gift' WHERE id = 'atm/atm_1'`),
		bank("damaged index", "money.db", "undamaged", `PRAGMA writable_schema = ON`, `UPDATE sqlite_schema SET sql = replace(sql, 'WHERE outcome <> ''never''', '') WHERE name = 'debit_account'`),
		// A wallet's rows.
		maru("charge called done", "charges", "the hold of a charge that is done", `UPDATE charges SET state = 'done', receipt_jws = order_jws WHERE debit = '$sent'`),
		maru("done charge called refused", "charges", "the hold of a charge that is refused", `UPDATE charges SET state = 'refused' WHERE debit = '$done'`),
		maru("charge row gone", "ledger_entries", "a charge's hold has its row", `DELETE FROM charges WHERE debit = '$done'`),
		maru("receipt of another charge", "charges", "the receipt says", `UPDATE charges SET (receipt_jws, receipt_hash) = (SELECT receipt_jws, receipt_hash FROM charges WHERE debit = '$matured') WHERE debit = '$done'`),
		maru("order of another charge", "charges", "the order says", `UPDATE charges SET (order_jws, order_hash) = (SELECT order_jws, order_hash FROM charges WHERE debit = '$matured') WHERE debit = '$done'`),
		maru("device of another person", "charges", "M9", `UPDATE devices SET keys = (SELECT d.keys FROM devices AS d WHERE d.subject <> '$rich') WHERE subject = '$rich'`),
		maru("receivable", "ledger_accounts", "what the bank owes", `UPDATE ledger_accounts SET balance = balance + 20000 WHERE kind = 'receivable'`),
		maru("reversal forgotten", "charges", "the reversal of a charge", `PRAGMA foreign_keys = OFF`, `DELETE FROM reversals WHERE id = '$rev'`),
		maru("reversal spent", "ledger_accounts", "put aside", `UPDATE charges SET state = 'done' WHERE debit = '$reversing'`, `DELETE FROM reversals WHERE debit = '$reversing'`),
		maru("payment row gone", "ledger_entries", "a payment has its row", `DELETE FROM payments WHERE amount = 5000`),
		maru("payment of another amount", "payments", "its transfer", `UPDATE payments SET amount = 1 WHERE amount = 5000`),
		maru("payment called maturing", "payments", "its transfer", `UPDATE payments SET from_maturing = 5000 WHERE amount = 5000`),
		maru("shop's takings", "ledger_accounts", "takings", `UPDATE ledger_accounts SET balance = balance + 1 WHERE kind = 'shop'`),
		maru("code not burnt", "payments", "M11", `UPDATE pay_codes SET burnt_us = 0`),
		maru("nobody's money", "ledger_accounts", "belongs to a holder", `DELETE FROM holders WHERE subject = '$rich'`),
		maru("link of somebody unproved", "links", "L4", `UPDATE holders SET level = 1 WHERE subject = '$rich'`),
		maru("link's report forged", "links", "signature", `UPDATE links SET report_jws = 'a.b.c' WHERE link = '$link'`),
		// Between the two.
		pair("the bank forgets a debit", atBank, "statement", "the service has it, the bank has not", `DELETE FROM debit WHERE id = '$done'`),
		pair("the service forgets a charge", atWallet, "statement", "the bank has it, the service has not", `DELETE FROM charges WHERE debit = '$done'`),
		pair("the bank signs another amount", atBank, "statement", "M8", `UPDATE debit SET amount = 19999 WHERE id = '$done'`),
		pair("another time", atWallet, "statement", "M8", `UPDATE charges SET booked_us = booked_us + 1 WHERE debit = '$done'`),
		pair("sums differ", atBank, "statement", "open charges apart", `UPDATE debit SET amount = 19999 WHERE id = '$done'`),
		pair("a signed day changed", atBank, "statement_pages", "has changed what it had signed", `UPDATE debit SET amount = 19999 WHERE id = '$done'`),
		pair("a signed day grew", atBank, "statement_pages", "has added to a day that was over", `INSERT INTO debit SELECT service, 'deb_late', link, account, order_hash, amount, wallet_account, outcome, rule, reason, decided_us, receipt, 0 FROM debit WHERE id = '$done'`),
		pair("a signed day changed, at the bank", atBank, "statement_page", "has changed what it had signed", `UPDATE debit SET amount = 19999 WHERE id = '$done'`),
		pair("an exchanged statement forged", atWallet, "statement_pages", "signature", `UPDATE statement_pages SET theirs_jws = ours_jws`),
		pair("an exchanged statement forged, at the bank", atBank, "statement_page", "signature", `UPDATE statement_page SET theirs = ours`),
		pair("a page of another day", atWallet, "statement_pages", "is of that day", `UPDATE statement_pages SET day = '2026-11-18' WHERE day = '2026-11-20'`),
		pair("a page taken out", atWallet, "statement_pages", "begins where the one before ends", `UPDATE statement_pages SET n = 2`),
		pair("a page said to end earlier", atBank, "statement_page", "is of that page", `UPDATE statement_page SET upto_debit = '$done'`),
		pair("lines counted wrong", atWallet, "statement_pages", "come to up to here", `UPDATE statement_pages SET their_debits = their_debits + 1`),
		// What was settled.
		bank("a settlement of another amount", "settlement", "what was settled", `UPDATE settlement SET debits = debits + 1 WHERE day = '2026-11-21'`),
		bank("a settlement without its transfer", "settlement", "its transfer", `UPDATE ledger_entries SET kind = 'gift' WHERE id = 'settlement/maru/2026-11-21'`),
		bank("a settlement forged", "settlement", "signature", `UPDATE settlement SET signed = replace(signed, substr(signed, -10), 'AAAAAAAAAA') WHERE day = '2026-11-21'`),
		bank("a settlement of another day", "settlement", "what was signed", `UPDATE settlement SET signed = (SELECT signed FROM settlement WHERE day = '2026-11-20') WHERE day = '2026-11-21'`),
		bank("a settlement row gone", "ledger_entries", "a settlement has its row", `DELETE FROM settlement WHERE day = '2026-11-21'`),
		bank("a day settled twice", "ledger_entries", "a settlement has its row", `INSERT INTO ledger_entries SELECT (SELECT max(seq) + 1 FROM ledger_entries), act, at_us, id || ' again', about, legs, kind, debit, credit, amount, debit_after, credit_after, gate, limits, memo, detail FROM ledger_entries WHERE id = 'settlement/maru/2026-11-21'`),
		bank("a day settled before its end", "settlement", "before it is over", `UPDATE settlement SET at_us = at_us - 2*86400000000 WHERE day = '2026-11-21'`),
		bank("a day settled with a break", "settlement", "no day with a break", `INSERT INTO break VALUES ('maru', '2026-11-21', '$done', 'debit', 'differs', 1, 2, 'o', 1, 0)`),
		bank("a day settled before its break was cleared", "settlement", "no day with a break", `INSERT INTO break VALUES ('maru', '2026-11-21', '$done', 'debit', 'differs', 1, 2, 'o', 1, (SELECT at_us + 1 FROM settlement WHERE day = '2026-11-21'))`),
		bank("a day settled that was not compared", "settlement", "compared to its end", `DELETE FROM statement_page WHERE day = '2026-11-21'`),
		bank("nostro", "ledger_accounts", "what was paid out", `UPDATE ledger_accounts SET balance = balance + 1 WHERE id = 'nostro'`),
		bank("settlement of a service, after it was paid", "ledger_accounts", "what the bank owes", `UPDATE ledger_accounts SET balance = balance + 1 WHERE id = 'service/maru'`),
		maru("an arrival that nobody saw", "settlements", "who has seen", `UPDATE settlements SET recorded_by = '' WHERE day = '2026-11-20'`),
		maru("an arrival without its transfer", "settlements", "its transfer", `UPDATE settlements SET arrived_us = 1, recorded_by = 'staff' WHERE day = '2026-11-21'`),
		maru("an arrival forgotten", "ledger_entries", "an arrival has its row", `UPDATE settlements SET arrived_us = 0, recorded_by = '' WHERE day = '2026-11-20'`),
		maru("an announcement of another amount", "settlements", "what was settled", `UPDATE settlements SET debits = debits + 1 WHERE day = '2026-11-21'`),
		maru("an announcement forged", "settlements", "signature", `UPDATE settlements SET settlement_jws = 'a.b.c' WHERE day = '2026-11-21'`),
		maru("what has arrived", "ledger_accounts", "what has arrived", `UPDATE ledger_accounts SET balance = balance + 1 WHERE kind = 'settled'`),
		maru("receivable after an arrival", "ledger_accounts", "and what has arrived", `UPDATE ledger_accounts SET balance = balance - 3000 WHERE kind = 'receivable'`),
		pair("an announcement that is not the bank's", atWallet, "settlements", "the bank's own", `UPDATE settlements SET settlement_jws = (SELECT settlement_jws FROM settlements WHERE day = '2026-11-20') WHERE day = '2026-11-21'`),
		pair("a settlement that the bank takes back", atBank, "settlements", "the bank's own", `DELETE FROM settlement WHERE day = '2026-11-21'`),
		pair("a settlement of what the service lacks", atWallet, "settlement", "the service has of the day", `DELETE FROM charges WHERE debit = '$done'`),
		pair("money on the way that is nobody's", atBank, "settlement", "has not arrived", `UPDATE ledger_accounts SET balance = balance - 1 WHERE id = 'service/maru'`),
		{"hub lost an event", atHub, []string{`DELETE FROM events WHERE seq = 2`}, "hub", "events", "without a gap"},
		{"hub routed over nothing", atHub, []string{`DELETE FROM links`}, "hub", "debits", "routed over"},
	}
	for i := range all {
		all[i].what = q(all[i].what)
		for j := range all[i].sql {
			all[i].sql[j] = q(all[i].sql[j])
		}
	}
	return all
}

// copied copies a directory, with keys that only we can read.
func copied(t *testing.T, from string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "copy")
	must(t, os.CopyFS(dir, os.DirFS(from)))
	for _, key := range []string{"bank/0149", "maru"} {
		must(t, os.Chmod(filepath.Join(dir, "keys", key, "sign.001.json"), 0o600))
	}
	return dir
}

// Whatever is changed alone is found, in the books where it was changed, and named.
func TestEveryCorruptionIsFoundAndNamed(t *testing.T) {
	w := newWorld(t)
	h := w.live()
	r, err := audit.Look(t.Context(), w.dir, w.now)
	must(t, err)
	if !r.Agrees {
		t.Fatalf("differs before anything was changed: %+v", r.Differences)
	}
	for _, c := range corruptions(h) {
		t.Run(c.name, func(t *testing.T) {
			dir := copied(t, w.dir)
			alter(t, filepath.Join(dir, c.file), c.sql...)
			r, err := audit.Look(t.Context(), dir, w.now)
			must(t, err)
			found := slices.ContainsFunc(r.Differences, func(d audit.Difference) bool {
				return d.Role == c.role && d.Table == c.table && (strings.Contains(d.What, c.what) || d.Rule == c.what ||
					strings.Contains(d.Expected, c.what)) && d.ID != "" && d.Expected != d.Found
			})
			if r.Agrees || !found {
				t.Errorf("not found in %s of %s: %q\n%+v", c.table, c.role, c.what, r.Differences)
			}
		})
	}
}

// A difference that lasts is told by Run as well, and the text names it.
func TestRunTellsWhatLasts(t *testing.T) {
	w := newWorld(t)
	h := w.live()
	alter(t, filepath.Join(w.dir, atBank), `UPDATE ledger_accounts SET balance = balance + 1 WHERE id = 'deposit/`+string(h.rich.account)+`'`)
	r, err := audit.Run(t.Context(), w.dir, w.now)
	must(t, err)
	var text strings.Builder
	must(t, r.Text(&text))
	if r.Agrees || !strings.Contains(text.String(), "deposit/"+string(h.rich.account)) || !strings.Contains(text.String(), "the balance, from its legs") {
		t.Errorf("%s", text.String())
	}
}

// history is made of what it should be.
func TestHistoryHoldsEveryState(t *testing.T) {
	w := newWorld(t)
	h := w.live()
	w.is(h.sent, wallet.ChargeSent)
	w.is(h.reversing, wallet.ChargeReversing)
	w.is(h.reversed, wallet.ChargeReversed)
	w.is(h.refused, wallet.ChargeRefused)
	w.forward(time.Second)
}
