-- What banks have announced as settled, and who has seen the money arrive. A day on which nothing was owed arrived
-- when it was announced, by nobody.

-- +goose Up
CREATE TABLE settlements (
    issuer         TEXT    NOT NULL,
    day            TEXT    NOT NULL,
    lines          INTEGER NOT NULL CHECK (lines >= 0),
    debits         INTEGER NOT NULL CHECK (debits >= 0),
    reversals      INTEGER NOT NULL CHECK (reversals >= 0),
    settlement_jws TEXT    NOT NULL,
    announced_us   INTEGER NOT NULL,
    arrived_us     INTEGER NOT NULL,
    recorded_by    TEXT    NOT NULL,
    PRIMARY KEY (issuer, day),
    CHECK (recorded_by = '' OR arrived_us > 0)
) STRICT, WITHOUT ROWID;

-- +goose Down
DROP TABLE settlements;
