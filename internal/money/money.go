// Package money is whole yen: an amount cannot overflow, be a fraction or change its unit.
package money

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Yen is an amount in whole Japanese yen. It may be negative only where a balance may.
type Yen int64

// Max is the largest amount the system handles: ten quadrillion yen, far from int64's end,
// so that sums of millions of amounts cannot overflow before Add notices.
const Max Yen = 10_000_000_000_000_000

// ErrOverflow says that a sum left the range of Yen.
var ErrOverflow = errors.New("money: overflow")

// Add returns a+b, or ErrOverflow.
func Add(a, b Yen) (Yen, error) {
	if (b > 0 && a > math.MaxInt64-b) || (b < 0 && a < math.MinInt64-b) {
		return 0, ErrOverflow
	}
	return a + b, nil
}

// MustAdd is Add for amounts that were already bounded; overflow there is our bug, so it panics.
func MustAdd(a, b Yen) Yen {
	sum, err := Add(a, b)
	if err != nil {
		panic(fmt.Sprintf("money: %d + %d overflows", a, b))
	}
	return sum
}

// Parse reads what a person types: "3000", "3,000", "¥3,000", "3000円". No sign, no fraction.
func Parse(s string) (Yen, error) {
	t := strings.TrimSpace(s)
	t = strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(t, "¥"), "￥"), "円")
	t = strings.ReplaceAll(strings.ReplaceAll(t, ",", ""), "，", "")
	t = strings.Map(func(r rune) rune {
		if r >= '０' && r <= '９' {
			return r - '０' + '0'
		}
		return r
	}, t)
	if t == "" || strings.Trim(t, "0123456789") != "" {
		return 0, fmt.Errorf("money: %q is not an amount in yen", s)
	}
	n, err := strconv.ParseInt(t, 10, 64)
	if err != nil || Yen(n) > Max {
		return 0, fmt.Errorf("money: %q is out of range", s)
	}
	return Yen(n), nil
}

// Digits is the amount with thousands separators and no unit: "-1,234".
func (y Yen) Digits() string {
	s := strconv.FormatInt(int64(y), 10)
	sign := ""
	if s[0] == '-' {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

// String is the amount as Japanese pages show it: "1,234円".
func (y Yen) String() string { return y.Digits() + "円" }

// UnmarshalJSON takes a JSON integer only: no fraction, exponent, string or null.
func (y *Yen) UnmarshalJSON(b []byte) error {
	n, err := strconv.ParseInt(string(b), 10, 64)
	if err != nil || n > int64(Max) || n < -int64(Max) || strconv.FormatInt(n, 10) != string(b) {
		return fmt.Errorf("money: %.40q is not whole yen", b)
	}
	*y = Yen(n)
	return nil
}

var _ json.Unmarshaler = (*Yen)(nil)
