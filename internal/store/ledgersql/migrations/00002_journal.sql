-- The books of one role, as a journal and what can be worked out from it. Times are microseconds since 1970 in UTC,
-- 0 for none; amounts are whole yen; an account, gate, limit or transfer is known by the number of the entry that
-- made it, 0 for none. Every key begins with the column by which the rows may be spread over several servers.

-- +goose Up
-- Books that were kept without a journal have no order of entries to make one from.
CREATE TABLE ledger_before (
    accounts INTEGER NOT NULL CONSTRAINT "books from before the journal: begin with an empty database" CHECK (accounts = 0)
) STRICT;
INSERT INTO ledger_before (accounts) SELECT count(*) FROM ledger_accounts;
DROP TABLE ledger_before;
DROP TABLE ledger_uses;
DROP TABLE ledger_limits;
DROP TABLE ledger_gates;
DROP TABLE ledger_lines;
DROP TABLE ledger_ends;
DROP TABLE ledger_legs;
DROP TABLE ledger_transfers;
DROP TABLE ledger_accounts;
DROP TABLE ledger_head;

CREATE TABLE ledger_head (
    one       INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    seq       INTEGER NOT NULL, -- commits so far
    token     TEXT    NOT NULL, -- of the last commit
    last      INTEGER NOT NULL, -- the last entry
    closed_us INTEGER NOT NULL, -- the latest time of all entries
    logged    INTEGER NOT NULL  -- records in the log
) STRICT;
INSERT INTO ledger_head (one, seq, token, last, closed_us, logged) VALUES (1, 0, '', 0, 0, 0);

-- The journal: numbered without a gap, only ever appended.
CREATE TABLE ledger_entries (
    seq          INTEGER NOT NULL PRIMARY KEY,
    act          INTEGER NOT NULL, -- 1 move, 2 hold, 3 post, 4 void, 5 tombstone, 6 and 7 refused move and hold, 0 a further leg; 10 account, 11 its settings, 20 gate, 30 limit
    at_us        INTEGER NOT NULL,
    id           TEXT    NOT NULL, -- the name it gives; '' for none
    about        INTEGER NOT NULL, -- the entry it is about
    legs         INTEGER NOT NULL, -- the entries of the transfer, this one included
    kind         TEXT    NOT NULL,
    debit        INTEGER NOT NULL,
    credit       INTEGER NOT NULL,
    amount       INTEGER NOT NULL CHECK (amount >= 0),
    debit_after  INTEGER NOT NULL, -- the balances after it, where it was booked
    credit_after INTEGER NOT NULL,
    gate         INTEGER NOT NULL,
    limits       TEXT    NOT NULL, -- numbers
    memo         TEXT    NOT NULL,
    detail       TEXT    NOT NULL  -- the rest, as JSON
) STRICT;

-- Where a name is found: 16 bytes of the SHA-256 of what sort of thing it is and its name.
CREATE TABLE ledger_names (
    name BLOB    NOT NULL PRIMARY KEY,
    num  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE ledger_accounts (
    num        INTEGER NOT NULL PRIMARY KEY,
    id         TEXT    NOT NULL,
    kind       TEXT    NOT NULL,
    floor      INTEGER NOT NULL,
    ceiling    INTEGER NOT NULL,
    balance    INTEGER NOT NULL,
    held_out   INTEGER NOT NULL CHECK (held_out >= 0),
    held_in    INTEGER NOT NULL CHECK (held_in >= 0),
    frozen_in  INTEGER NOT NULL CHECK (frozen_in IN (0, 1)),
    frozen_out INTEGER NOT NULL CHECK (frozen_out IN (0, 1)),
    closed     INTEGER NOT NULL CHECK (closed IN (0, 1)),
    tail       BLOB    NOT NULL  -- the entries of the lines since its last page
) STRICT;

-- The lines of an account, 32 a row, by their entries.
CREATE TABLE ledger_pages (
    account INTEGER NOT NULL,
    first   INTEGER NOT NULL, -- the entry of its oldest line
    lines   BLOB    NOT NULL,
    PRIMARY KEY (account, first)
) STRICT, WITHOUT ROWID;

CREATE TABLE ledger_gates (
    num              INTEGER NOT NULL PRIMARY KEY,
    id               TEXT    NOT NULL,
    parent           INTEGER NOT NULL,
    shut             TEXT    NOT NULL, -- '' is open
    not_before_us    INTEGER NOT NULL,
    until_us         INTEGER NOT NULL,
    limited_until_us INTEGER NOT NULL,
    limited_cap      INTEGER NOT NULL,
    device           TEXT    NOT NULL,
    version          INTEGER NOT NULL CHECK (version > 0),
    meter            BLOB    NOT NULL  -- what passed it
) STRICT;

CREATE TABLE ledger_limits (
    num     INTEGER NOT NULL PRIMARY KEY,
    id      TEXT    NOT NULL,
    each    INTEGER NOT NULL,
    day     INTEGER NOT NULL,
    month   INTEGER NOT NULL,
    version INTEGER NOT NULL CHECK (version > 0),
    meter   BLOB    NOT NULL  -- what was used of it
) STRICT;

-- What became of a transfer afterwards: of every hold, and of what something was refunded of.
CREATE TABLE ledger_fates (
    num      INTEGER NOT NULL PRIMARY KEY,
    until_us INTEGER NOT NULL, -- of a hold: from then on it cannot be posted
    how      TEXT    NOT NULL CHECK (how IN ('', 'posted', 'voided')),
    ended_us INTEGER NOT NULL,
    posted   INTEGER NOT NULL,
    refunded INTEGER NOT NULL CHECK (refunded >= 0)
) STRICT;
CREATE INDEX ledger_fates_due ON ledger_fates (until_us, num) WHERE how = '' AND until_us > 0;

-- The log: a record for each commit that has entries, and the hashes of a Merkle tree over them (RFC 9162, 2.1).
CREATE TABLE ledger_commits (
    n         INTEGER NOT NULL PRIMARY KEY, -- from 0 on
    last      INTEGER NOT NULL,             -- its last entry
    closed_us INTEGER NOT NULL,
    root      BLOB    NOT NULL              -- the hash of the tree over its entries
) STRICT;
CREATE TABLE ledger_hashes (
    n    INTEGER NOT NULL PRIMARY KEY,      -- as golang.org/x/mod/sumdb/tlog numbers stored hashes
    hash BLOB    NOT NULL
) STRICT;

-- +goose Down
DROP TABLE ledger_hashes;
DROP TABLE ledger_commits;
DROP TABLE ledger_fates;
DROP TABLE ledger_limits;
DROP TABLE ledger_gates;
DROP TABLE ledger_pages;
DROP TABLE ledger_accounts;
DROP TABLE ledger_names;
DROP TABLE ledger_entries;
DROP TABLE ledger_head;
