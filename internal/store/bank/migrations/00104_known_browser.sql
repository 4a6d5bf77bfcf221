-- +goose Up
-- A browser in which the account's holder signed in before has codes of its own (L15, D2).
ALTER TABLE proof ADD COLUMN known INTEGER NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE proof DROP COLUMN known;
