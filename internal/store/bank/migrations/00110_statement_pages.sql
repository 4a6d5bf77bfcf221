-- +goose Up
-- What a service and we have signed of a day that is over, page by page: each begins where the one before ends.
CREATE TABLE statement_page (
    service      TEXT NOT NULL,
    day          TEXT NOT NULL,
    n            INTEGER NOT NULL CHECK (n > 0),
    after_debit  TEXT NOT NULL, -- excluded; '' from the start of the day
    upto_debit   TEXT NOT NULL, -- included; '' to its end
    theirs       TEXT NOT NULL,
    ours         TEXT NOT NULL,
    at_us        INTEGER NOT NULL,
    PRIMARY KEY (service, day, n)
) STRICT;

-- +goose Down
DROP TABLE statement_page;
