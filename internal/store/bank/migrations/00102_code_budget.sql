-- +goose Up
-- Codes for links and codes for the portal are counted apart (L15, D2).
ALTER TABLE code_sent ADD COLUMN budget TEXT NOT NULL DEFAULT 'link';

-- +goose Down
ALTER TABLE code_sent DROP COLUMN budget;
