-- +goose Up
-- A card in a machine counts its wrong PINs apart from the bank's pages (R5).
ALTER TABLE pin ADD COLUMN card_tries INTEGER NOT NULL DEFAULT 0;
ALTER TABLE pin ADD COLUMN card_locked_us INTEGER NOT NULL DEFAULT 0;
-- A proof opens once what it was made for (L16).
ALTER TABLE proof ADD COLUMN spent_us INTEGER NOT NULL DEFAULT 0;
-- An ATM finds a proof by the reference that the person's own page shows, however many there are (L18).
DROP INDEX proof_account;
CREATE INDEX proof_reference ON proof (account, reference) WHERE account <> '';

-- +goose Down
DROP INDEX proof_reference;
CREATE INDEX proof_account ON proof (account, created_us) WHERE account <> '';
ALTER TABLE proof DROP COLUMN spent_us;
ALTER TABLE pin DROP COLUMN card_locked_us;
ALTER TABLE pin DROP COLUMN card_tries;
