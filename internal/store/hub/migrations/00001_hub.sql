-- +goose Up
CREATE TABLE suspensions (
  service TEXT NOT NULL,            -- '*' is every service
  issuer TEXT NOT NULL,             -- '*' is every bank
  state TEXT NOT NULL CHECK (state IN ('no_new_links', 'stopped')),
  by_whom TEXT NOT NULL,
  why TEXT NOT NULL,
  at_us BIGINT NOT NULL,
  PRIMARY KEY (service, issuer)
);

CREATE TABLE acts (
  id INTEGER PRIMARY KEY,
  at_us BIGINT NOT NULL,
  by_whom TEXT NOT NULL,
  what TEXT NOT NULL,
  why TEXT NOT NULL
);

CREATE TABLE requests (
  request TEXT NOT NULL PRIMARY KEY,
  service TEXT NOT NULL,
  issuer TEXT NOT NULL,
  stage TEXT NOT NULL CHECK (stage IN ('asked', 'pushed', 'redeeming', 'linked', 'ended')),
  digest TEXT NOT NULL,
  redirect_uri TEXT NOT NULL,
  authorization_url TEXT NOT NULL,
  expires_us BIGINT NOT NULL,
  code_hash TEXT NOT NULL,
  sealed BLOB NOT NULL,             -- verifier, DPoP key, token: only the hub's sealing key opens it
  created_us BIGINT NOT NULL
);

CREATE TABLE links (
  link TEXT NOT NULL PRIMARY KEY,
  service TEXT NOT NULL,
  issuer TEXT NOT NULL,
  request TEXT NOT NULL,
  pseudonym TEXT NOT NULL,
  state TEXT NOT NULL,
  seq BIGINT NOT NULL,
  sealed BLOB NOT NULL,
  updated_us BIGINT NOT NULL
);
CREATE INDEX links_by_pseudonym ON links (issuer, pseudonym);

CREATE TABLE debits (
  service TEXT NOT NULL,
  debit TEXT NOT NULL,
  issuer TEXT NOT NULL,
  link TEXT NOT NULL,
  order_hash TEXT NOT NULL,
  outcome TEXT NOT NULL,
  sent_us BIGINT NOT NULL,
  answered_us BIGINT NOT NULL,
  PRIMARY KEY (service, debit)
);
CREATE INDEX debits_by_time ON debits (sent_us);

CREATE TABLE events (
  service TEXT NOT NULL,
  seq BIGINT NOT NULL,
  once TEXT NOT NULL,               -- the report's own identity: kept once
  report TEXT NOT NULL,
  at_us BIGINT NOT NULL,
  PRIMARY KEY (service, seq),
  UNIQUE (service, once)
);

CREATE TABLE tokens (
  hash TEXT NOT NULL PRIMARY KEY,
  client TEXT NOT NULL,
  scope TEXT NOT NULL,
  jkt TEXT NOT NULL,
  expires_us BIGINT NOT NULL
);
CREATE INDEX tokens_by_expiry ON tokens (expires_us);

CREATE TABLE used (
  space TEXT NOT NULL,
  jti TEXT NOT NULL,
  until_us BIGINT NOT NULL,
  PRIMARY KEY (space, jti)
);
CREATE INDEX used_by_expiry ON used (until_us);
