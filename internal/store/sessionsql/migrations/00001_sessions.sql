-- +goose Up
CREATE TABLE sessions (
  token TEXT NOT NULL PRIMARY KEY,  -- web.NewSessions hands over a hash, never the token
  data BLOB NOT NULL,
  expires_us BIGINT NOT NULL
);
CREATE INDEX sessions_by_expiry ON sessions (expires_us);
