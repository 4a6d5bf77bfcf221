package bench

import (
	"bytes"
	"context"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/kozamori/kozamori/internal/store/sqldb"
)

// The tables of the ceiling: what no ledger can do without. A transfer is a row that is appended and a unique key by
// which a repeat would be found; two accounts have a new balance.
var ceilingTables = map[sqldb.Engine][]string{
	sqldb.SQLite: {
		`CREATE TABLE ceiling_transfers (n INTEGER PRIMARY KEY, debit INTEGER NOT NULL, credit INTEGER NOT NULL, amount INTEGER NOT NULL, rest TEXT NOT NULL) STRICT`,
		`CREATE TABLE ceiling_keys (key BLOB PRIMARY KEY, n INTEGER NOT NULL) STRICT, WITHOUT ROWID`,
		`CREATE TABLE ceiling_accounts (num INTEGER PRIMARY KEY, balance INTEGER NOT NULL, rest TEXT NOT NULL) STRICT`,
	},
	sqldb.PostgreSQL: {
		`CREATE TABLE ceiling_transfers (n BIGINT PRIMARY KEY, debit BIGINT NOT NULL, credit BIGINT NOT NULL, amount BIGINT NOT NULL, rest TEXT NOT NULL)`,
		`CREATE TABLE ceiling_keys (key BYTEA PRIMARY KEY, n BIGINT NOT NULL)`,
		`CREATE TABLE ceiling_accounts (num BIGINT PRIMARY KEY, balance BIGINT NOT NULL, rest TEXT NOT NULL)`,
	},
}

// bare is about what a transfer takes in them, indexes included, besides rest.
var bare = map[sqldb.Engine]int{sqldb.SQLite: 60, sqldb.PostgreSQL: 200}

// accountRest is about what a row of the ledger's accounts has besides number and balance.
const accountRest = 60

// ceiling is how many transfers a second the engine can write on this disk at so many a commit and so many bytes
// each, from one connection that loads, decides and checks nothing. What it writes is made before the clock starts.
func (r *run) ceiling(ctx context.Context, perCommit, rowBytes int) (float64, error) {
	perCommit = max(1, perCommit)
	for _, table := range ceilingTables[r.db.Engine()] {
		if err := r.write(ctx, table); err != nil {
			return 0, err
		}
	}
	for from := 0; from < r.Accounts; from += 10_000 {
		var nums []int64
		var rests []string
		for i := from; i < min(r.Accounts, from+10_000); i++ {
			nums, rests = append(nums, int64(i)), append(rests, strings.Repeat("x", accountRest))
		}
		if err := r.batch(ctx, func(b *sqldb.Batch) {
			b.Exec("accounts", `INSERT INTO ceiling_accounts (num, balance, rest) SELECT c0, 0, c1 FROM {set}`, sqldb.Set{nums, rests})
		}); err != nil {
			return 0, err
		}
	}
	rest := strings.Repeat("x", max(0, rowBytes-bare[r.db.Engine()]))
	rng := rand.New(rand.NewPCG(2, 2))
	written := int64(0)
	var took time.Duration
	for took < r.For {
		rows, keys, balances := rawRows(rng, written, perCommit, r.Accounts, rest)
		start := time.Now()
		if err := r.batch(ctx, func(b *sqldb.Batch) {
			b.Exec("transfers", `INSERT INTO ceiling_transfers (n, debit, credit, amount, rest) SELECT c0, c1, c2, c3, c4 FROM {set}`, rows)
			b.Exec("keys", `INSERT INTO ceiling_keys (key, n) SELECT c0, c1 FROM {set}`, keys)
			b.Exec("balances", `UPDATE ceiling_accounts AS a SET balance = c1 FROM {set} WHERE a.num = c0`, balances)
		}); err != nil {
			return 0, err
		}
		took += time.Since(start)
		written += int64(perCommit)
	}
	return float64(written) / took.Seconds(), nil
}

// rawRows makes the rows of one commit: transfers between random pairs, their keys in order, and the balances of whom
// they name.
func rawRows(rng *rand.Rand, from int64, n, accounts int, rest string) (rows, keys, balances sqldb.Set) {
	num, debit, credit, amount, texts := make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n), make([]string, n)
	key := make([][]byte, n)
	seen := map[int64]bool{}
	var who, balance []int64
	for i := range n {
		num[i], debit[i], credit[i], amount[i], texts[i] = from+int64(i)+1, rng.Int64N(int64(accounts)), rng.Int64N(int64(accounts)), 1, rest
		key[i] = binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, rng.Uint64()), rng.Uint64())
		for _, a := range []int64{debit[i], credit[i]} {
			if !seen[a] {
				seen[a] = true
				who, balance = append(who, a), append(balance, rng.Int64N(1_000_000_000))
			}
		}
	}
	slices.SortFunc(key, bytes.Compare)
	slices.Sort(who)
	return sqldb.Set{num, debit, credit, amount, texts}, sqldb.Set{key, num}, sqldb.Set{who, balance}
}

func (r *run) batch(ctx context.Context, fill func(*sqldb.Batch)) error {
	return r.db.Write(ctx, func(tx *sqldb.Tx) error {
		var b sqldb.Batch
		fill(&b)
		return tx.Run(ctx, &b)
	})
}

func (r *run) write(ctx context.Context, statement string) error {
	return r.db.Write(ctx, func(tx *sqldb.Tx) error {
		_, err := tx.ExecContext(ctx, statement)
		return err
	})
}

// size is the bytes of all tables and indexes.
func size(ctx context.Context, db *sqldb.DB) (bytes int64, err error) {
	query := `SELECT page_count * page_size FROM pragma_page_count, pragma_page_size`
	if db.Engine() == sqldb.PostgreSQL {
		query = `SELECT CAST(COALESCE(SUM(pg_total_relation_size(c.oid)), 0) AS BIGINT) FROM pg_class AS c
			WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r'`
	}
	err = db.Read().QueryRowContext(ctx, query).Scan(&bytes)
	return bytes, err
}
