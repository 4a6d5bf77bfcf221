-- +goose Up
-- How often somebody typed a number that was to be the notice's (L8).
ALTER TABLE notice ADD COLUMN tries INTEGER NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE notice DROP COLUMN tries;
