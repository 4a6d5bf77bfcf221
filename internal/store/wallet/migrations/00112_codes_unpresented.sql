-- Payment codes that nobody presented may be forgotten; what was presented is never looked at for that.

-- +goose Up
DROP INDEX pay_codes_expiry;
CREATE INDEX pay_codes_unpresented ON pay_codes (expires_us) WHERE burnt_by = '';

-- +goose Down
DROP INDEX pay_codes_unpresented;
CREATE INDEX pay_codes_expiry ON pay_codes (expires_us);
