package wallet

import (
	"context"

	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/store/sqldb"
	"github.com/kozamori/kozamori/internal/wallet"
)

func putSettlement(ctx context.Context, tx *sqldb.Tx, s wallet.Settlement) error {
	res, err := tx.ExecContext(ctx, `
		INSERT INTO settlements (issuer, day, lines, debits, reversals, settlement_jws, announced_us, arrived_us, recorded_by)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (issuer, day) DO NOTHING`,
		s.Issuer, s.Day, s.Total.Lines, s.Total.Debits, s.Total.Reversals, s.Text, us(s.AnnouncedAt), us(s.ArrivedAt), s.RecordedBy)
	return conditional("PutSettlement", res, err)
}

func endSettlement(ctx context.Context, tx *sqldb.Tx, s wallet.Settlement) error {
	res, err := tx.ExecContext(ctx, `UPDATE settlements SET arrived_us = $3, recorded_by = $4 WHERE issuer = $1 AND day = $2 AND arrived_us = 0`,
		s.Issuer, s.Day, us(s.ArrivedAt), s.RecordedBy)
	return conditional("EndSettlement", res, err)
}

const settlementColumns = `issuer, day, lines, debits, reversals, settlement_jws, announced_us, arrived_us, recorded_by`

func scanSettlement(r scanner) (wallet.Settlement, error) {
	var s wallet.Settlement
	var announced, arrived int64
	err := r.Scan(&s.Issuer, &s.Day, &s.Total.Lines, &s.Total.Debits, &s.Total.Reversals, &s.Text, &announced, &arrived, &s.RecordedBy)
	s.AnnouncedAt, s.ArrivedAt = moment(announced), moment(arrived)
	return s, err
}

// Settlement implements wallet.SettlementStore.
func (s *Store) Settlement(ctx context.Context, issuer id.Issuer, day string) (wallet.Settlement, error) {
	v, err := scanSettlement(s.db.Read().QueryRowContext(ctx, `SELECT `+settlementColumns+` FROM settlements WHERE issuer = $1 AND day = $2`, issuer, day))
	return v, readErr("Settlement", err)
}

// Settlements implements wallet.SettlementStore.
func (s *Store) Settlements(ctx context.Context, issuer id.Issuer, n int) ([]wallet.Settlement, error) {
	return all(ctx, s, "Settlements", scanSettlement, `SELECT `+settlementColumns+` FROM settlements
		WHERE issuer = $1 AND debits <> reversals ORDER BY arrived_us > 0, day DESC LIMIT $2`, issuer, n)
}
