-- +goose Up

-- Whose writes count. Every writing transaction locks the row, which makes it the only one, and reads the epoch: a
-- random text, new with every process that takes the tables over; '' as long as none has.
CREATE TABLE fence (
    one   INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    epoch TEXT    NOT NULL
) STRICT;
INSERT INTO fence (one, epoch) VALUES (1, '');

-- Which process of a role serves, and where the others reach it. Those of the role's first schema use it.
CREATE TABLE lease (
    one     INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    holder  TEXT    NOT NULL, -- a random text, new with every process; '' is nobody
    address TEXT    NOT NULL,
    beat    INTEGER NOT NULL  -- counts what the holder says, every second
) STRICT;
INSERT INTO lease (one, holder, address, beat) VALUES (1, '', '', 0);
