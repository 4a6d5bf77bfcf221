-- The books of one role. Times are microseconds since 1970 in UTC, 0 for none; amounts are whole yen.
-- Transfers, legs, ends and lines are only ever inserted.

-- +goose Up
CREATE TABLE ledger_head (
    one   INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    seq   INTEGER NOT NULL, -- commits so far
    token TEXT    NOT NULL  -- of the last commit
) STRICT;
INSERT INTO ledger_head (one, seq, token) VALUES (1, 0, '');

CREATE TABLE ledger_accounts (
    id         TEXT    NOT NULL PRIMARY KEY,
    kind       TEXT    NOT NULL,
    floor      INTEGER NOT NULL,
    ceiling    INTEGER NOT NULL,
    balance    INTEGER NOT NULL,
    held_out   INTEGER NOT NULL CHECK (held_out >= 0),
    held_in    INTEGER NOT NULL CHECK (held_in >= 0),
    frozen_in  INTEGER NOT NULL CHECK (frozen_in IN (0, 1)),
    frozen_out INTEGER NOT NULL CHECK (frozen_out IN (0, 1)),
    version    INTEGER NOT NULL CHECK (version > 0)
) STRICT, WITHOUT ROWID;

-- What stands under an id for ever: what was done, a final refusal, or a tombstone.
CREATE TABLE ledger_transfers (
    id        TEXT    NOT NULL PRIMARY KEY,
    is_hold   INTEGER NOT NULL CHECK (is_hold IN (0, 1)),
    kind      TEXT    NOT NULL,
    gate      TEXT    NOT NULL, -- '' for none
    device    TEXT    NOT NULL,
    limits    TEXT    NOT NULL, -- a JSON array of limit ids
    memo      TEXT    NOT NULL,
    is_final  INTEGER NOT NULL CHECK (is_final IN (0, 1)),
    digest    BLOB    NOT NULL CHECK (length(digest) = 32),
    at_us     INTEGER NOT NULL CHECK (at_us > 0),
    outcome   TEXT    NOT NULL, -- 'done', 'buried', or the refusal with its details:
    r_account TEXT    NOT NULL,
    r_limit   TEXT    NOT NULL,
    r_window  TEXT    NOT NULL,
    r_left    INTEGER NOT NULL,
    r_reason  TEXT    NOT NULL,
    r_until_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX ledger_transfers_at ON ledger_transfers (at_us);

-- The legs of what was done (a hold moves money only once it is posted).
CREATE TABLE ledger_legs (
    transfer TEXT    NOT NULL,
    n        INTEGER NOT NULL,
    debit    TEXT    NOT NULL,
    credit   TEXT    NOT NULL CHECK (credit <> debit),
    amount   INTEGER NOT NULL CHECK (amount > 0),
    PRIMARY KEY (transfer, n)
) STRICT, WITHOUT ROWID;

-- What ended a hold; a hold without a row is open.
CREATE TABLE ledger_ends (
    transfer TEXT    NOT NULL PRIMARY KEY,
    how      TEXT    NOT NULL CHECK (how IN ('posted', 'voided')),
    at_us    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The history of each account: two lines for a leg that was posted.
CREATE TABLE ledger_lines (
    account  TEXT    NOT NULL,
    n        INTEGER NOT NULL, -- the version of the account that the line made
    transfer TEXT    NOT NULL,
    kind     TEXT    NOT NULL,
    other    TEXT    NOT NULL,
    amount   INTEGER NOT NULL CHECK (amount <> 0),
    balance  INTEGER NOT NULL, -- after the line
    at_us    INTEGER NOT NULL,
    PRIMARY KEY (account, n)
) STRICT, WITHOUT ROWID;

CREATE TABLE ledger_gates (
    id               TEXT    NOT NULL PRIMARY KEY,
    parent           TEXT    NOT NULL, -- '' for none
    shut             TEXT    NOT NULL, -- '' is open
    not_before_us    INTEGER NOT NULL,
    until_us         INTEGER NOT NULL,
    limited_until_us INTEGER NOT NULL,
    limited_cap      INTEGER NOT NULL,
    device           TEXT    NOT NULL,
    version          INTEGER NOT NULL CHECK (version > 0)
) STRICT, WITHOUT ROWID;

CREATE TABLE ledger_limits (
    id      TEXT    NOT NULL PRIMARY KEY,
    each    INTEGER NOT NULL,
    day     INTEGER NOT NULL,
    month   INTEGER NOT NULL,
    version INTEGER NOT NULL CHECK (version > 0)
) STRICT, WITHOUT ROWID;

-- What counts against limits and gates; a voided hold takes its rows back. The key holds all columns, so
-- that a window is summed from the index alone.
CREATE TABLE ledger_uses (
    meter    TEXT    NOT NULL CHECK (meter IN ('limit', 'gate')),
    id       TEXT    NOT NULL,
    at_us    INTEGER NOT NULL,
    transfer TEXT    NOT NULL,
    amount   INTEGER NOT NULL CHECK (amount > 0),
    PRIMARY KEY (id, meter, at_us, transfer)
) STRICT, WITHOUT ROWID;

-- +goose Down
DROP TABLE ledger_uses;
DROP TABLE ledger_limits;
DROP TABLE ledger_gates;
DROP TABLE ledger_lines;
DROP TABLE ledger_ends;
DROP TABLE ledger_legs;
DROP TABLE ledger_transfers;
DROP TABLE ledger_accounts;
DROP TABLE ledger_head;
