package bankd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/kozamori/kozamori/internal/keyfile"
	"github.com/kozamori/kozamori/internal/ledger"
	bankstore "github.com/kozamori/kozamori/internal/store/bank"
)

// Checkpoint prints a signed checkpoint of the books of one bank as they are now: the one of that code, or the only
// one. Kept where nobody of the bank can change it, it shows later whether the books still begin so.
func Checkpoint(ctx context.Context, cfg Config, code string, out io.Writer) error {
	return oneBank(ctx, cfg, code, func(s *bankstore.Store, key keyfile.NoteKey) error {
		signed, err := s.Books().Checkpoint(ctx, key)
		if err == nil {
			_, err = io.WriteString(out, signed)
		}
		return err
	})
}

// Proof prints a proof that a transfer stands in the books of one bank as they are now.
func Proof(ctx context.Context, cfg Config, code, transfer string, out io.Writer) error {
	if transfer == "" {
		return errors.New("which? --transfer ID")
	}
	return oneBank(ctx, cfg, code, func(s *bankstore.Store, key keyfile.NoteKey) error {
		p, err := s.Books().Proof(ctx, ledger.TransferID(transfer), key)
		if err != nil {
			return err
		}
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		return e.Encode(p)
	})
}

// oneBank opens the books of one bank and reads the key of their checkpoints.
func oneBank(ctx context.Context, cfg Config, code string, do func(*bankstore.Store, keyfile.NoteKey) error) error {
	if code == "" && len(cfg.Banks) == 1 {
		code = cfg.Banks[0].Code
	}
	found := false
	err := eachBank(ctx, cfg, func(c BankConfig, s *bankstore.Store, _ secrets) error {
		if c.Code != code {
			return nil
		}
		found = true
		keys, err := keyfile.Open(cfg.keys(c.Code)).Notes("books", ledger.Origin("bank", c.Code))
		if err != nil {
			return err
		}
		return do(s, keys[0])
	})
	if err == nil && !found {
		err = fmt.Errorf("whose books? --books is the code of a bank of this configuration, not %q", code)
	}
	return err
}
