package zengin

import (
	_ "embed"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
)

// Succession says that a bank's code ended in a merger, or that its name changed with one (New is Old then).
type Succession struct {
	Old     id.Bank
	OldName string
	Day     string // Japanese date of the merger; the code itself may have gone later, with the systems
	New     id.Bank
	NewName string

	sameCodes bool
}

// What Resolve cannot answer. Both have kind NotFound.
var (
	// ErrNoBranch says that the directory has no such bank or branch at that time.
	ErrNoBranch = errors.New("zengin: no such bank or branch")
	// ErrUnknownMove says that the bank merged and the data do not tell where the branch went: ask the bank.
	ErrUnknownMove = errors.New("zengin: not known where the branch went")
)

var (
	//go:embed data/successions.tsv
	successionsFile string
	//go:embed data/branches.tsv
	branchesFile string
)

// move is one row of branches.tsv.
type move struct {
	to    Branch
	basis string // "code", "name", "reviewed"
}

// table reads the rows of a reviewed file; lines that begin with # are comments.
func table(file string, columns int) [][]string {
	var rows [][]string
	for line := range strings.Lines(file) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		row := strings.Split(line, "\t")
		if len(row) != columns {
			panic(fmt.Sprintf("zengin: odd line in an embedded table: %q", line))
		}
		rows = append(rows, row)
	}
	return rows
}

var successions = sync.OnceValue(func() []Succession {
	var list []Succession
	for _, r := range table(successionsFile, 6) {
		list = append(list, Succession{Old: id.Bank(r[0]), OldName: r[1], Day: r[2], New: id.Bank(r[3]), NewName: r[4], sameCodes: r[5] == "same"})
	}
	return list
})

// moves are the rows of branches.tsv by old bank and branch.
var moves = sync.OnceValue(func() map[[2]string]move {
	m := make(map[[2]string]move)
	for _, r := range table(branchesFile, 7) {
		m[[2]string{r[0], r[1]}] = move{Branch{Bank: id.Bank(r[2]), Code: r[3], Name: r[6]}, r[4]}
	}
	return m
})

// Successions lists all known ones in order of their day.
func Successions() []Succession { return append([]Succession(nil), successions()...) }

// SuccessionOf finds what became of a bank's code.
func SuccessionOf(old id.Bank) (Succession, bool) {
	for _, s := range successions() {
		if s.Old == old {
			return s, true
		}
	}
	return Succession{}, false
}

// CheckBank says, in words for an operator, why a code is no bank's today: malformed, merged away, or unknown to the
// newest edition in the program.
func CheckBank(code id.Bank) error {
	if _, ok := Today().Bank(code); ok {
		return nil
	}
	if len(code) != 4 || strings.Trim(string(code), "0123456789") != "" {
		return errors.New("want the four digits of a Zengin code")
	}
	if s, merged := SuccessionOf(code); merged && s.New != code {
		return fmt.Errorf("%s is %s %s since %s", code, s.New, s.NewName, s.Day)
	}
	return fmt.Errorf("no bank has the code %s in the directory of %s that this program carries", code, Today().Edition())
}

// Resolve says where a branch, known by its codes of any time since April 2020, is on a Japanese date
// ("2026-11-23"): the same branch, or its successor after a merger. Account numbers are the bank's own
// matter; it alone says whether they stayed. The error wraps ErrNoBranch or ErrUnknownMove.
//
// The directory has two editions. A branch that the newer one lacks is taken to exist until that
// edition's date, because its closing day is not known.
func Resolve(bank id.Bank, branch, day string) (Branch, error) {
	then, known := In2020().Branch(bank, branch)
	now, still := Today().Branch(bank, branch)
	since := Today().Edition() // from when on the newer edition speaks
	if merged, ok := SuccessionOf(bank); ok {
		since = merged.Day
		if known && day >= since && merged.New != bank {
			return merged.follow(branch)
		}
	}
	switch {
	case still && (!known || day >= since || now.Name == then.Name):
		return now, nil
	case known && day < Today().Edition():
		return then, nil
	}
	return Branch{}, unresolved(ErrNoBranch, bank, branch, fault.Text{
		JA: "その番号の支店は見つかりません。銀行と支店の番号を確かめてください。",
		EN: "There is no branch with that number. Please check the codes of bank and branch.",
	})
}

// follow finds where one branch of the ended code went; the error wraps ErrUnknownMove.
func (s Succession) follow(branch string) (Branch, error) {
	code := branch
	if !s.sameCodes {
		code = moves()[[2]string{string(s.Old), branch}].to.Code
	}
	if to, ok := Today().Branch(s.New, code); ok {
		return to, nil
	}
	return Branch{}, unresolved(ErrUnknownMove, s.Old, branch, fault.Text{
		JA: "この支店は合併で移りましたが、移り先は名簿からは分かりません。通帳やお知らせの新しい番号を入力してください。",
		EN: "This branch moved in a merger and the directory does not say where. Please enter the new numbers from your passbook or the bank's notice.",
	})
}

// unresolved makes the error of Resolve.
func unresolved(cause error, bank id.Bank, branch string, public fault.Text) error {
	return &fault.Error{Kind: fault.NotFound, Op: "zengin.Resolve", Public: public, Err: fmt.Errorf("%w: %s-%s", cause, bank, branch)}
}
