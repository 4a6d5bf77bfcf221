package bankd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/kozamori/kozamori/internal/bank"
	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/observe"
	bankstore "github.com/kozamori/kozamori/internal/store/bank"
	"github.com/kozamori/kozamori/internal/store/sqldb"
)

// eachBank opens the books of every bank, for reading beside a running process or without one.
func eachBank(ctx context.Context, cfg Config, do func(c BankConfig, s *bankstore.Store, x secrets) error) error {
	if err := cfg.Check(); err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	for _, c := range cfg.Banks {
		x, err := loadSecrets(cfg, c.Code)
		if err != nil {
			return err
		}
		money, _ := cfg.places(c.Code)
		applied, err := sqldb.Applied(ctx, money)
		if err != nil {
			return fmt.Errorf("bank %s: %w", c.Code, err)
		}
		if len(applied) == 0 {
			return fmt.Errorf("bank %s: there are no tables: has migrate been run?", c.Code)
		}
		s, err := bankstore.Open(money, x.sealer, bank.NewChain(x.keys.Sign, id.Issuer(c.Issuer)))
		if err != nil {
			return fmt.Errorf("bank %s: %w", c.Code, err)
		}
		if err := errors.Join(do(c, s, x), s.Close()); err != nil {
			return fmt.Errorf("bank %s: %w", c.Code, err)
		}
	}
	return nil
}

// chainAtOnce is how many rows of evidence are read at a time.
const chainAtOnce = 1_000

// Evidence follows each bank's chain of evidence from its first row to its last: numbers, hashes, signatures
// (L11). The hash of the last row, kept elsewhere, shows later that nothing was cut off.
func Evidence(ctx context.Context, cfg Config, out io.Writer) error {
	return eachBank(ctx, cfg, func(c BankConfig, s *bankstore.Store, x secrets) error {
		var last bank.EvidenceRow
		for {
			rows, err := s.EvidenceChain(ctx, last.Seq, chainAtOnce)
			if err != nil {
				return err
			}
			if err := bank.CheckChain(last, rows, x.public, id.Issuer(c.Issuer), clock.System()); err != nil {
				return err
			}
			if len(rows) == 0 {
				_, err := fmt.Fprintf(out, "%s: %d rows, one chain; the last is %s\n", c.Code, last.Seq, last.Hash)
				return err
			}
			last = rows[len(rows)-1]
		}
	})
}

// Decision prints what each bank's sealed log says under the reference number of a page (L3). That it was read
// is a line of the audit log before it is.
func Decision(ctx context.Context, cfg Config, reference string, out io.Writer) (err error) {
	if reference == "" {
		return errors.New("which? --reference K7F3-9QXM, as the page showed it")
	}
	file, err := os.OpenFile(filepath.Join(cfg.Data.Dir, "audit.jsonl"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("[data] dir: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	act := observe.Entry{Actor: "operator", Action: "decision.read", Subject: reference, Outcome: "done"}
	if err := observe.NewAudit(file, "bank", clock.System).Write(ctx, act); err != nil {
		return err
	}
	found := 0
	err = eachBank(ctx, cfg, func(c BankConfig, s *bankstore.Store, x secrets) error {
		rows, err := s.Decisions(ctx, reference)
		if err != nil {
			return err
		}
		for _, row := range rows {
			text, err := row.Open(x.sealer)
			if err != nil {
				return err
			}
			found++
			if _, err := fmt.Fprintf(out, "%s %s %s\n", c.Code, row.At.In(clock.Tokyo).Format(time.RFC3339), text); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil && found == 0 {
		err = fault.New(fault.NotFound, "bankd.Decision", errors.New("nothing stands under "+reference))
	}
	return err
}
