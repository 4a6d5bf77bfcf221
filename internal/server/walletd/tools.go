package walletd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/kozamori/kozamori/internal/keyfile"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/store/sqldb"
	walletstore "github.com/kozamori/kozamori/internal/store/wallet"
)

// Origin is the name of the log of the service's books.
func Origin(cfg Config) string { return ledger.Origin("wallet", string(cfg.Service.ID)) }

// Checkpoint prints a signed checkpoint of the books as they are now. Kept where nobody of the service can change it,
// it shows later whether the books still begin so.
func Checkpoint(ctx context.Context, cfg Config, out io.Writer) error {
	return withBooks(ctx, cfg, func(s *walletstore.Store, key keyfile.NoteKey) error {
		signed, err := s.Books().Checkpoint(ctx, key)
		if err == nil {
			_, err = io.WriteString(out, signed)
		}
		return err
	})
}

// Proof prints a proof that a transfer stands in the books as they are now.
func Proof(ctx context.Context, cfg Config, transfer string, out io.Writer) error {
	if transfer == "" {
		return errors.New("which? --transfer ID")
	}
	return withBooks(ctx, cfg, func(s *walletstore.Store, key keyfile.NoteKey) error {
		p, err := s.Books().Proof(ctx, ledger.TransferID(transfer), key)
		if err != nil {
			return err
		}
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		return e.Encode(p)
	})
}

// withBooks opens the books, beside a running process or without one, and reads the key of their checkpoints.
func withBooks(ctx context.Context, cfg Config, do func(*walletstore.Store, keyfile.NoteKey) error) error {
	if err := cfg.Check(); err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	keys, err := keyfile.Open(cfg.Data.Keys).Notes("books", Origin(cfg))
	if err != nil {
		return err
	}
	sealer, err := loadSealer(cfg)
	if err != nil {
		return err
	}
	money, _ := places(cfg)
	applied, err := sqldb.Applied(ctx, money)
	if err != nil {
		return err
	}
	if len(applied) == 0 {
		return errors.New("there are no tables: has migrate been run?")
	}
	s, err := walletstore.Open(money, sealer)
	if err != nil {
		return err
	}
	return errors.Join(do(s, keys[0]), s.Close())
}
