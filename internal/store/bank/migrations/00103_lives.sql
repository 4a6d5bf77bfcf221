-- +goose Up
-- What outlives its use is found without reading the rest.
CREATE INDEX token_until ON token (until_us);
CREATE INDEX token_revoked ON token (revoked_us) WHERE revoked_us > 0;
CREATE INDEX atm_session_until ON atm_session (until_us);
CREATE INDEX proof_created ON proof (created_us);
CREATE INDEX code_sent_at ON code_sent (at_us);
CREATE INDEX notice_at ON notice (at_us);
CREATE INDEX link_request_ended ON link_request (ended_us) WHERE state = 'dead' AND link = '';
CREATE INDEX decision_at ON decision (at_us);

-- +goose Down
DROP INDEX decision_at;
DROP INDEX link_request_ended;
DROP INDEX notice_at;
DROP INDEX code_sent_at;
DROP INDEX proof_created;
DROP INDEX atm_session_until;
DROP INDEX token_revoked;
DROP INDEX token_until;
