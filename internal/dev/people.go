package dev

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/kozamori/kozamori/internal/bank"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/money"
)

// Person is somebody one can be in dev, with all that she would know or hold: her account, her card's PIN.
// None of it is real.
type Person struct {
	Key       string     `json:"key"`
	Name      fault.Text `json:"name"`
	Story     fault.Text `json:"story"`
	Kana      string     `json:"kana"`
	BirthDate string     `json:"birth_date"`
	Bank      id.Bank    `json:"bank"`
	Branch    string     `json:"branch"`
	Number    string     `json:"number"`
	Card      string     `json:"card"`
	PIN       string     `json:"pin"`
	Phone     string     `json:"phone,omitempty"`
	Email     string     `json:"email,omitempty"`
	Opening   money.Yen  `json:"opening"`
}

// samplePeople are always there.
var samplePeople = []Person{
	{Key: "hanako", Name: fault.Text{JA: "佐藤 花子", EN: "Sato Hanako"}, Kana: "サトウ ハナコ", BirthDate: "1985-04-01",
		Bank: "0149", Branch: "111", Number: "1234567", Card: "card-hanako", PIN: "8351", Phone: "+819011110001", Email: "hanako@example.jp", Opening: 500_000,
		Story: fault.Text{JA: "銀行のサイトでパスキーを登録し、7日後から連携に使えます。", EN: "Enrols a passkey at the bank's portal; it makes links after 7 days."}},
	{Key: "ichiro", Name: fault.Text{JA: "鈴木 一郎", EN: "Suzuki Ichiro"}, Kana: "スズキ イチロウ", BirthDate: "1978-11-23",
		Bank: "0149", Branch: "111", Number: "2345678", Card: "card-ichiro", PIN: "4926", Phone: "+819011110002", Email: "ichiro@example.jp", Opening: 800_000,
		Story: fault.Text{JA: "SMSの確認コードとメールを使います。", EN: "Uses codes by SMS, and e-mail."}},
	{Key: "kiyo", Name: fault.Text{JA: "高橋 キヨ", EN: "Takahashi Kiyo"}, Kana: "タカハシ キヨ", BirthDate: "1948-07-15",
		Bank: "0150", Branch: "155", Number: "3456789", Card: "card-kiyo", PIN: "7304", Opening: 1_200_000,
		Story: fault.Text{JA: "銀行に電話番号もメールもありません。ATMとカードで手続きします。", EN: "The bank has no phone and no e-mail of hers: she uses the ATM and her card."}},
	{Key: "makoto", Name: fault.Text{JA: "田中 誠", EN: "Tanaka Makoto"}, Kana: "タナカ マコト", BirthDate: "1990-02-28",
		Bank: "0149", Branch: "111", Number: "4567890", Card: "card-makoto", PIN: "6182", Phone: "+819011110004", Email: "makoto@example.jp", Opening: 300_000,
		Story: fault.Text{JA: "どの決済サービスの利用者でもない預金者です。", EN: "A depositor who is nobody's customer."}},
}

// register is who one can be: the sample people, and those a journey asked for, kept in a file.
type register struct {
	mu    sync.Mutex
	path  string
	extra []Person
	given int // numbers given to people who are not in extra yet
}

func openRegister(dir string) (*register, error) {
	r := &register{path: filepath.Join(dir, "people.json")}
	text, err := os.ReadFile(r.path)
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &r.extra)
	}
	if err != nil {
		return nil, fmt.Errorf("people: %w", err)
	}
	return r, nil
}

// all lists everybody, the sample people first.
func (r *register) all() []Person {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append(append([]Person{}, samplePeople...), r.extra...)
}

// next makes a new person at a bank with numbers that nobody else has; add keeps her once the account is open.
func (r *register) next(code id.Bank, branch string, withPhone bool) Person {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.given = max(r.given, len(r.extra)) + 1
	n := r.given
	p := Person{Key: fmt.Sprintf("guest%d", n), Name: fault.Text{JA: fmt.Sprintf("見本 %d郎", n), EN: fmt.Sprintf("Mihon %d", n)},
		Story: fault.Text{JA: "動作確認のために開いた口座です。", EN: "An account opened for a check."},
		Kana:  "ミホン " + guestName(n), BirthDate: "1980-05-17", Bank: code, Branch: branch, Number: fmt.Sprintf("%07d", 7_000_000+n),
		Card: fmt.Sprintf("card-guest%d", n), Opening: 1_000_000}
	var contacts []bank.Contact
	if withPhone {
		p.Phone, p.Email = fmt.Sprintf("+8190222%05d", n), fmt.Sprintf("guest%d@example.jp", n)
		contacts = append(contacts, bank.Contact{Channel: bank.SMS, Address: p.Phone})
	}
	// The bank takes no PIN that is easy to guess (D8).
	known := bank.Account{Place: bank.Place{Number: p.Number}, BirthDate: p.BirthDate}
	for pin := n * 7919; p.PIN == "" || bank.WeakPIN(bank.PIN(p.PIN), known, contacts) != nil; pin++ {
		p.PIN = fmt.Sprintf("%04d", 5083+pin%3000)
	}
	return p
}

func (r *register) add(p Person) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.extra = append(r.extra, p)
	text, err := json.MarshalIndent(r.extra, "", "  ")
	if err == nil {
		err = os.WriteFile(r.path, text, 0o600)
	}
	if err != nil {
		return fmt.Errorf("people: %w", err)
	}
	return nil
}

// guestName spells a number in kana, so that every guest has a name of her own.
func guestName(n int) string {
	kana := []string{"ア", "カ", "サ", "タ", "ナ", "ハ", "マ", "ヤ", "ラ", "ワ"}
	name := ""
	for ; n > 0; n /= 10 {
		name = kana[n%10] + name
	}
	return name + "コ"
}
