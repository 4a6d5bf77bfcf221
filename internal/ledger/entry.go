package ledger

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/money"
)

// Entry is a row of the journal: what one request did, or one further leg of it. Entries are numbered without a
// gap and only ever appended. Everything else in the books can be worked out from them; an account, gate or
// limit is known by the number of the entry that made it.
type Entry struct {
	Seq  int64
	Act  Act
	At   time.Time // when it was decided, microseconds in UTC
	ID   string    // of the transfer, account, gate or limit that the entry makes; "" for others
	Of   int64     // the entry it is about: a post's hold, a refund's original, a setting's account, a leg's first
	Legs int       // of a transfer, hold, post or refusal: how many entries it is, this one included
	Kind string    // of the transfer

	// One leg: account numbers and yen, and what the balances were after it where it was booked (ActMove, ActPost).
	Debit, Credit           int64
	Amount                  money.Yen
	DebitAfter, CreditAfter money.Yen

	Gate   int64
	Limits []int64
	Memo   string
	Detail string // the rest, as JSON of the type that Act names; "" for nothing
}

// Act is what an entry did.
type Act int64

// The acts. Their numbers are stored.
const (
	ActLeg     Act = 0 // a further leg of entry Of
	ActMove    Act = 1
	ActHold    Act = 2
	ActPost    Act = 3 // of hold Of
	ActVoid    Act = 4 // of hold Of
	ActBury    Act = 5
	ActRefusal Act = 6 // a Final refusal of a move
	ActNoHold  Act = 7 // a Final refusal of a hold

	ActOpen  Act = 10 // AccountDetail
	ActBound Act = 11 // of account Of, AccountDetail, as all settings
	ActGate  Act = 20 // GateDetail; the first names the gate, later ones are of gate Of
	ActLimit Act = 30 // LimitDetail; likewise
)

// TransferDetail is the Detail of ActMove, ActHold and the refusals.
type TransferDetail struct {
	Device  string    `json:"device,omitempty"`
	Final   bool      `json:"final,omitempty"`
	Until   int64     `json:"until,omitempty"` // of a hold, microseconds
	Outcome string    `json:"outcome,omitempty"`
	Account AccountID `json:"account,omitempty"`
	Limit   LimitID   `json:"limit,omitempty"`
	Window  Window    `json:"window,omitempty"`
	Left    money.Yen `json:"left,omitempty"`
	Reason  string    `json:"reason,omitempty"`
	Shut    int64     `json:"shut,omitempty"` // Result.Until, microseconds
}

// AccountDetail is the Detail of ActOpen and ActBound: all settings of the account from then on.
type AccountDetail struct {
	Kind    string    `json:"kind,omitempty"`
	Floor   money.Yen `json:"floor"`
	Ceiling money.Yen `json:"ceiling"`
	In      bool      `json:"frozen_in,omitempty"`
	Out     bool      `json:"frozen_out,omitempty"`
	Closed  bool      `json:"closed,omitempty"`
}

// GateDetail is the Detail of ActGate; times are microseconds.
type GateDetail struct {
	Parent       int64     `json:"parent,omitempty"`
	Shut         string    `json:"shut,omitempty"`
	NotBefore    int64     `json:"not_before,omitempty"`
	Until        int64     `json:"until,omitempty"`
	LimitedUntil int64     `json:"limited_until,omitempty"`
	LimitedCap   money.Yen `json:"limited_cap,omitempty"`
	Device       string    `json:"device,omitempty"`
	Version      int64     `json:"version"`
}

// LimitDetail is the Detail of ActLimit.
type LimitDetail struct {
	Each    money.Yen `json:"each"`
	Day     money.Yen `json:"day"`
	Month   money.Yen `json:"month"`
	Version int64     `json:"version"`
}

// detail writes a Detail; one without content is "".
func detail(v any) string {
	if v == (TransferDetail{}) {
		return ""
	}
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("ledger: %T: %v", v, err)) // plain structs
	}
	return string(b)
}

// micros is a moment as entries and details keep it.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return clock.Micros(t)
}

func fromMicros(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return clock.FromMicros(us)
}

// Numbers writes a list of numbers as a column keeps it ("12 34").
func Numbers(list []int64) string {
	var b []byte
	for i, n := range list {
		if i > 0 {
			b = append(b, ' ')
		}
		b = strconv.AppendInt(b, n, 10)
	}
	return string(b)
}

// ParseNumbers is Numbers backwards.
func ParseNumbers(s string) ([]int64, error) {
	if s == "" {
		return nil, nil
	}
	words := strings.Split(s, " ")
	list := make([]int64, len(words))
	for i, w := range words {
		n, err := strconv.ParseInt(w, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("ledger: %.40q is not a list of numbers", s)
		}
		list[i] = n
	}
	return list, nil
}

// Record is the entry as the log of the books hashes it: a fixed word, then every column in the order of the
// struct, integers as 8 bytes big-endian, text as its length and its bytes.
func (e Entry) Record(b []byte) []byte {
	b = append(b, "kozamori entry 1\n"...)
	for _, n := range [...]int64{e.Seq, int64(e.Act), micros(e.At)} {
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	b = appendText(b, e.ID)
	for _, n := range [...]int64{e.Of, int64(e.Legs)} {
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	b = appendText(b, e.Kind)
	for _, n := range [...]int64{
		e.Debit, e.Credit, int64(e.Amount), int64(e.DebitAfter), int64(e.CreditAfter), e.Gate,
	} {
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	b = appendText(b, Numbers(e.Limits))
	b = appendText(b, e.Memo)
	return appendText(b, e.Detail)
}

func appendText(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint64(b, uint64(len(s))), s...)
}

// Key is what a name of an account, transfer, gate or limit is found by: 128 bits of its SHA-256. Who finds
// something compares the name itself too, so that two names of one key are a clear error and nothing worse.
type Key [16]byte

// KeyOf is the key of a name.
func KeyOf[ID AccountID | TransferID | GateID | LimitID](id ID) Key {
	sort := "t"
	switch any(id).(type) {
	case AccountID:
		sort = "a"
	case GateID:
		sort = "g"
	case LimitID:
		sort = "l"
	}
	var buf [MaxID + 1]byte
	sum := sha256.Sum256(append(append(buf[:0], sort...), id...))
	return Key(sum[:16])
}

// distinct is the sorted set of ids.
func distinct[T ~string](ids []T) []T {
	if len(ids) < 2 {
		return ids
	}
	set := slices.Clone(ids)
	slices.Sort(set)
	return slices.Compact(set)
}
