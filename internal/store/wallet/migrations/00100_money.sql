-- Charges, payments and what is exchanged with banks. Times are microseconds since 1970 in UTC, 0 for none;
-- amounts are whole yen; money itself lies in the ledger's tables.

-- +goose Up
CREATE TABLE charges (
    debit        TEXT    NOT NULL PRIMARY KEY,
    subject      TEXT    NOT NULL,
    link         TEXT    NOT NULL,
    issuer       TEXT    NOT NULL,
    bank_ja      TEXT    NOT NULL,
    bank_en      TEXT    NOT NULL,
    amount       INTEGER NOT NULL CHECK (amount > 0),
    account      TEXT    NOT NULL, -- of the ledger: where it lands
    state        TEXT    NOT NULL CHECK (state IN ('asked', 'sent', 'pending', 'done', 'refused', 'never', 'reversing', 'reversed')),
    agreed_us    INTEGER NOT NULL,
    order_jws    TEXT    NOT NULL, -- '' while asked
    order_hash   TEXT    NOT NULL,
    receipt_jws  TEXT    NOT NULL,
    receipt_hash TEXT    NOT NULL,
    rule         TEXT    NOT NULL,
    reason       TEXT    NOT NULL,
    until_us     INTEGER NOT NULL,
    booked_us    INTEGER NOT NULL, -- by the receipt
    ended_us     INTEGER NOT NULL,
    asks         INTEGER NOT NULL,
    next_ask_us  INTEGER NOT NULL,
    version      INTEGER NOT NULL CHECK (version > 0),
    CHECK ((order_hash = '') = (order_jws = '')),
    CHECK (order_jws <> '' OR state IN ('asked', 'never')),
    CHECK (receipt_jws <> '' OR state IN ('asked', 'sent'))
) STRICT, WITHOUT ROWID;

CREATE INDEX charges_subject ON charges (subject, agreed_us, debit);
CREATE INDEX charges_link ON charges (link, agreed_us, state, amount);
CREATE INDEX charges_ask ON charges (next_ask_us) WHERE state IN ('asked', 'sent', 'pending');
CREATE INDEX charges_open ON charges (issuer, debit) WHERE state IN ('sent', 'pending');
CREATE INDEX charges_moving ON charges (issuer, agreed_us) WHERE state IN ('sent', 'pending', 'reversing');
CREATE INDEX charges_unfinished ON charges (agreed_us) WHERE state IN ('asked', 'sent', 'pending', 'reversing');
CREATE INDEX charges_booked ON charges (issuer, booked_us) WHERE state IN ('done', 'reversing', 'reversed');
CREATE UNIQUE INDEX charges_asked ON charges (subject, link) WHERE state = 'asked' AND asks = 0; -- one page at a time

CREATE TABLE reversals (
    id           TEXT    NOT NULL PRIMARY KEY,
    debit        TEXT    NOT NULL UNIQUE REFERENCES charges (debit), -- a charge is given back once
    issuer       TEXT    NOT NULL,
    reversal_jws TEXT    NOT NULL,
    by_staff     TEXT    NOT NULL,
    why          TEXT    NOT NULL,
    at_us        INTEGER NOT NULL,
    receipt_jws  TEXT    NOT NULL,
    receipt_hash TEXT    NOT NULL,
    booked_us    INTEGER NOT NULL,
    suspense     INTEGER NOT NULL CHECK (suspense IN (0, 1)),
    ended_us     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX reversals_booked ON reversals (issuer, booked_us) WHERE receipt_jws <> '';

CREATE INDEX ledger_accounts_maturing ON ledger_accounts (id) WHERE kind = 'maturing' AND balance > 0;

CREATE TABLE payments (
    id            TEXT    NOT NULL PRIMARY KEY,
    shop          TEXT    NOT NULL,
    subject       TEXT    NOT NULL,
    amount        INTEGER NOT NULL,
    from_maturing INTEGER NOT NULL CHECK (from_maturing >= 0),
    terminal      TEXT    NOT NULL,
    order_ref     TEXT    NOT NULL,
    state         TEXT    NOT NULL CHECK (state IN ('done', 'refused')),
    reason        TEXT    NOT NULL,
    at_us         INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX payments_subject ON payments (subject, at_us, id);

-- One-time codes, by hash. A code is burnt by whoever presents it first, or by the holder's next one.
CREATE TABLE pay_codes (
    hash       TEXT    NOT NULL PRIMARY KEY,
    payment    TEXT    NOT NULL UNIQUE,
    subject    TEXT    NOT NULL,
    made_us    INTEGER NOT NULL,
    expires_us INTEGER NOT NULL,
    burnt_us   INTEGER NOT NULL,
    burnt_by   TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX pay_codes_expiry ON pay_codes (expires_us);
CREATE INDEX pay_codes_subject ON pay_codes (subject) WHERE burnt_us = 0;

-- Idempotency keys belong to client and endpoint and never expire.
CREATE TABLE idempotency (
    client    TEXT    NOT NULL,
    endpoint  TEXT    NOT NULL,
    key       TEXT    NOT NULL,
    body_hash TEXT    NOT NULL,
    payment   TEXT    NOT NULL,
    at_us     INTEGER NOT NULL,
    PRIMARY KEY (client, endpoint, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE statements (
    issuer      TEXT    NOT NULL,
    day         TEXT    NOT NULL,
    provisional INTEGER NOT NULL CHECK (provisional IN (0, 1)),
    ours_jws    TEXT    NOT NULL,
    theirs_jws  TEXT    NOT NULL,
    at_us       INTEGER NOT NULL,
    PRIMARY KEY (issuer, day)
) STRICT, WITHOUT ROWID;

CREATE TABLE breaks (
    id        TEXT    NOT NULL PRIMARY KEY,
    issuer    TEXT    NOT NULL,
    day       TEXT    NOT NULL,
    debit     TEXT    NOT NULL,
    line      TEXT    NOT NULL, -- 'debit', 'reversal', '' where it is not about a line
    kind      TEXT    NOT NULL,
    ours      TEXT    NOT NULL,
    theirs    TEXT    NOT NULL,
    evidence  TEXT    NOT NULL,
    owner     TEXT    NOT NULL,
    opened_us INTEGER NOT NULL,
    seen_us   INTEGER NOT NULL,
    closed_us INTEGER NOT NULL,
    closed_by TEXT    NOT NULL,
    note      TEXT    NOT NULL,
    version   INTEGER NOT NULL CHECK (version > 0),
    UNIQUE (issuer, day, debit, line, kind)
) STRICT, WITHOUT ROWID;

CREATE INDEX breaks_open ON breaks (opened_us) WHERE closed_us = 0;

-- +goose Down
DROP TABLE breaks;
DROP TABLE statements;
DROP TABLE idempotency;
DROP TABLE pay_codes;
DROP TABLE payments;
DROP INDEX ledger_accounts_maturing;
DROP TABLE reversals;
DROP TABLE charges;
