-- +goose Up
-- Times are microseconds since 1970 in UTC, 0 for never. Balances are the ledger's.

CREATE TABLE account (
    id           TEXT PRIMARY KEY,
    bank         TEXT NOT NULL,
    branch       TEXT NOT NULL,
    kind         TEXT NOT NULL CHECK (kind IN ('ordinary', 'current')),
    number       TEXT NOT NULL,
    holder_kana  TEXT NOT NULL,
    holder_name  TEXT NOT NULL,
    birth_date   TEXT NOT NULL,
    card         TEXT NOT NULL,
    opened_us    INTEGER NOT NULL,
    closed_us    INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX account_place ON account (bank, branch, kind, number);
CREATE UNIQUE INDEX account_card ON account (card) WHERE card <> '';

-- Where an account stood before a merger moved it.
CREATE TABLE account_place_before (
    account   TEXT NOT NULL REFERENCES account (id),
    bank      TEXT NOT NULL,
    branch    TEXT NOT NULL,
    kind      TEXT NOT NULL,
    number    TEXT NOT NULL,
    until_us  INTEGER NOT NULL,
    PRIMARY KEY (account, until_us)
) STRICT;

CREATE TABLE contact (
    id          TEXT PRIMARY KEY,
    account     TEXT NOT NULL REFERENCES account (id),
    channel     TEXT NOT NULL CHECK (channel IN ('sms', 'email')),
    address     TEXT NOT NULL,
    proved_us   INTEGER NOT NULL,
    added_us    INTEGER NOT NULL,
    removed_us  INTEGER NOT NULL
) STRICT;
CREATE INDEX contact_account ON contact (account);

-- protected is of no use without a key that is in no database.
CREATE TABLE pin (
    account    TEXT PRIMARY KEY REFERENCES account (id),
    protected  BLOB NOT NULL,
    changed_us INTEGER NOT NULL,
    tries      INTEGER NOT NULL,
    locked_us  INTEGER NOT NULL
) STRICT;

CREATE TABLE debit (
    service         TEXT NOT NULL,
    id              TEXT NOT NULL,
    link            TEXT NOT NULL,
    account         TEXT NOT NULL,
    order_hash      TEXT NOT NULL,
    amount          INTEGER NOT NULL CHECK (amount > 0),
    wallet_account  TEXT NOT NULL,
    outcome         TEXT NOT NULL CHECK (outcome IN ('booked', 'refused', 'never')),
    rule            TEXT NOT NULL,
    reason          TEXT NOT NULL,
    decided_us      INTEGER NOT NULL,
    receipt         TEXT NOT NULL,
    reversed_us     INTEGER NOT NULL,
    PRIMARY KEY (service, id)
) STRICT;
CREATE INDEX debit_account ON debit (account, decided_us) WHERE outcome <> 'never';
CREATE INDEX debit_day ON debit (service, decided_us) WHERE outcome = 'booked';

CREATE TABLE reversal (
    service     TEXT NOT NULL,
    id          TEXT NOT NULL,
    debit       TEXT NOT NULL,
    link        TEXT NOT NULL,
    order_hash  TEXT NOT NULL,
    amount      INTEGER NOT NULL CHECK (amount > 0),
    outcome     TEXT NOT NULL CHECK (outcome IN ('reversed', 'refused')),
    suspense    INTEGER NOT NULL,
    at_us       INTEGER NOT NULL,
    receipt     TEXT NOT NULL,
    PRIMARY KEY (service, id)
) STRICT;
-- Once: whatever ids a service makes up.
CREATE UNIQUE INDEX reversal_once ON reversal (service, debit) WHERE outcome = 'reversed';
CREATE INDEX reversal_day ON reversal (service, at_us) WHERE outcome = 'reversed';

CREATE TABLE notice (
    id            TEXT PRIMARY KEY,
    event         TEXT NOT NULL,
    account       TEXT NOT NULL,
    link          TEXT NOT NULL,
    request       TEXT NOT NULL,
    channel       TEXT NOT NULL,
    contact       TEXT NOT NULL,
    at_us         INTEGER NOT NULL,
    digested      INTEGER NOT NULL,
    delivered_us  INTEGER NOT NULL
) STRICT;
CREATE INDEX notice_account ON notice (account, event, at_us);
CREATE INDEX notice_request ON notice (request) WHERE request <> '';

CREATE TABLE link_change (
    service  TEXT NOT NULL,
    id       TEXT NOT NULL,
    link     TEXT NOT NULL,
    kind     TEXT NOT NULL,
    report   TEXT NOT NULL,
    at_us    INTEGER NOT NULL,
    PRIMARY KEY (service, id)
) STRICT;

-- Differences between a service's books of a day and ours, each with an owner.
CREATE TABLE break (
    service     TEXT NOT NULL,
    day         TEXT NOT NULL,
    debit       TEXT NOT NULL,
    kind        TEXT NOT NULL,
    what        TEXT NOT NULL,
    ours        INTEGER NOT NULL,
    theirs      INTEGER NOT NULL,
    owner       TEXT NOT NULL,
    found_us    INTEGER NOT NULL,
    cleared_us  INTEGER NOT NULL,
    PRIMARY KEY (service, day, debit, kind)
) STRICT;
CREATE INDEX break_open ON break (day) WHERE cleared_us = 0;

-- +goose Down
DROP TABLE break;
DROP TABLE link_change;
DROP TABLE notice;
DROP TABLE reversal;
DROP TABLE debit;
DROP TABLE pin;
DROP TABLE contact;
DROP TABLE account_place_before;
DROP TABLE account;
