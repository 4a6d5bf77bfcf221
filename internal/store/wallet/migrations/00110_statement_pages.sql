-- A day of any size is exchanged in pages. What was exchanged before was one page that held the whole day; its lines
-- were not counted (-1), so a day that is over is exchanged once more.

-- +goose Up
CREATE TABLE statement_pages (
    issuer      TEXT    NOT NULL,
    day         TEXT    NOT NULL,
    n           INTEGER NOT NULL CHECK (n > 0),
    after_debit TEXT    NOT NULL, -- excluded; '' from the start of the day
    upto_debit  TEXT    NOT NULL, -- included; '' to its end
    provisional INTEGER NOT NULL CHECK (provisional IN (0, 1)),
    ours_jws    TEXT    NOT NULL,
    theirs_jws  TEXT    NOT NULL,
    at_us       INTEGER NOT NULL,
    -- of the day up to the end of the page
    our_lines       INTEGER NOT NULL,
    our_debits      INTEGER NOT NULL,
    our_reversals   INTEGER NOT NULL,
    their_lines     INTEGER NOT NULL,
    their_debits    INTEGER NOT NULL,
    their_reversals INTEGER NOT NULL,
    PRIMARY KEY (issuer, day, n)
) STRICT, WITHOUT ROWID;

INSERT INTO statement_pages (issuer, day, n, after_debit, upto_debit, provisional, ours_jws, theirs_jws, at_us,
    our_lines, our_debits, our_reversals, their_lines, their_debits, their_reversals)
SELECT issuer, day, 1, '', '', provisional, ours_jws, theirs_jws, at_us, -1, 0, 0, -1, 0, 0 FROM statements;

DROP TABLE statements;

-- +goose Down
CREATE TABLE statements (
    issuer      TEXT    NOT NULL,
    day         TEXT    NOT NULL,
    provisional INTEGER NOT NULL CHECK (provisional IN (0, 1)),
    ours_jws    TEXT    NOT NULL,
    theirs_jws  TEXT    NOT NULL,
    at_us       INTEGER NOT NULL,
    PRIMARY KEY (issuer, day)
) STRICT, WITHOUT ROWID;

INSERT INTO statements (issuer, day, provisional, ours_jws, theirs_jws, at_us)
SELECT issuer, day, provisional, ours_jws, theirs_jws, at_us FROM statement_pages WHERE n = 1 AND upto_debit = '';

DROP TABLE statement_pages;
