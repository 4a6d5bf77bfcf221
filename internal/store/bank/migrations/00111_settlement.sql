-- +goose Up
-- Days that were agreed on and paid out: written in the commit of the transfer, never changed.
CREATE TABLE settlement (
    service    TEXT NOT NULL,
    day        TEXT NOT NULL,
    lines      INTEGER NOT NULL CHECK (lines >= 0),
    debits     INTEGER NOT NULL CHECK (debits >= 0),
    reversals  INTEGER NOT NULL CHECK (reversals >= 0),
    at_us      INTEGER NOT NULL,
    signed     TEXT NOT NULL,
    PRIMARY KEY (service, day)
) STRICT;

-- +goose Down
DROP TABLE settlement;
