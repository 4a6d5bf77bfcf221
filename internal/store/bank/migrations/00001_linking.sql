-- +goose Up
-- Times are microseconds since 1970 in UTC, 0 for never. One file is one bank (one issuer).
CREATE TABLE link_request (
    id            TEXT PRIMARY KEY,
    service       TEXT NOT NULL,
    subject       TEXT NOT NULL,
    state         TEXT NOT NULL,
    ended         TEXT NOT NULL,
    client        TEXT NOT NULL,
    redirect_uri  TEXT NOT NULL,
    oauth_state   TEXT NOT NULL,
    challenge     TEXT NOT NULL,
    jkt           TEXT NOT NULL,
    details       TEXT NOT NULL,
    request_hash  TEXT NOT NULL,
    browser       TEXT NOT NULL,
    sealed        TEXT NOT NULL,
    uri_hash      TEXT NOT NULL UNIQUE,
    uri_until_us  INTEGER NOT NULL,
    reference     TEXT NOT NULL UNIQUE,
    session       TEXT NOT NULL,
    account       TEXT NOT NULL,
    holder        TEXT NOT NULL,
    proof         TEXT NOT NULL,
    proved        TEXT NOT NULL,
    pin_tries     INTEGER NOT NULL,
    code_hash     TEXT NOT NULL,
    link          TEXT NOT NULL,
    pushed_us     INTEGER NOT NULL,
    opened_us     INTEGER NOT NULL,
    consented_us  INTEGER NOT NULL,
    redeemed_us   INTEGER NOT NULL,
    answered_us   INTEGER NOT NULL,
    ended_us      INTEGER NOT NULL,
    version       INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX link_request_code ON link_request (code_hash) WHERE code_hash <> '';
CREATE INDEX link_request_open ON link_request (pushed_us) WHERE state NOT IN ('done', 'dead');

CREATE TABLE link (
    id            TEXT PRIMARY KEY,
    request       TEXT NOT NULL,
    pending       TEXT NOT NULL,
    since         INTEGER NOT NULL,
    account       TEXT NOT NULL,
    service       TEXT NOT NULL,
    subject       TEXT NOT NULL,
    pseudonym     TEXT NOT NULL,
    state         TEXT NOT NULL CHECK (state IN ('authenticated', 'live', 'suspended', 'revoked', 'expired')),
    reason        TEXT NOT NULL,
    device        TEXT NOT NULL,
    per_debit     INTEGER NOT NULL,
    per_day       INTEGER NOT NULL,
    per_month     INTEGER NOT NULL,
    proof         TEXT NOT NULL,
    confirmed     INTEGER NOT NULL,
    valid_us      INTEGER NOT NULL,
    consented_us  INTEGER NOT NULL,
    waits_us      INTEGER NOT NULL,
    activated_us  INTEGER NOT NULL,
    ended_us      INTEGER NOT NULL,
    seq           INTEGER NOT NULL,
    version       INTEGER NOT NULL
) STRICT;
-- L7: at most one wallet of a service at an account, whatever runs at the same time.
CREATE UNIQUE INDEX link_one_wallet ON link (account, service) WHERE state IN ('authenticated', 'live', 'suspended');
CREATE INDEX link_account ON link (account, consented_us);
CREATE INDEX link_valid ON link (valid_us) WHERE state IN ('live', 'suspended');

CREATE TABLE receipt (
    request  TEXT NOT NULL,
    channel  TEXT NOT NULL,
    ref      TEXT NOT NULL,
    at_us    INTEGER NOT NULL,
    PRIMARY KEY (request, channel)
) STRICT;

CREATE TABLE token (
    hash        TEXT PRIMARY KEY,
    client      TEXT NOT NULL,
    scope       TEXT NOT NULL,
    jkt         TEXT NOT NULL,
    link        TEXT NOT NULL,
    request     TEXT NOT NULL,
    until_us    INTEGER NOT NULL,
    revoked_us  INTEGER NOT NULL
) STRICT;
CREATE INDEX token_link ON token (link) WHERE link <> '';

CREATE TABLE used_once (
    space     TEXT NOT NULL,
    value     TEXT NOT NULL,
    until_us  INTEGER NOT NULL,
    PRIMARY KEY (space, value)
) STRICT;
CREATE INDEX used_once_until ON used_once (until_us);

CREATE TABLE proof (
    id               TEXT PRIMARY KEY,
    purpose          TEXT NOT NULL,
    account          TEXT NOT NULL,
    near             INTEGER NOT NULL,
    card_only        INTEGER NOT NULL,
    browser          TEXT NOT NULL,
    reference        TEXT NOT NULL,
    request          TEXT NOT NULL,
    service          TEXT NOT NULL,
    holder           TEXT NOT NULL,
    cap              TEXT NOT NULL,
    code_hash        BLOB,
    code_until_us    INTEGER NOT NULL,
    codes_asked      INTEGER NOT NULL,
    tries            INTEGER NOT NULL,
    challenge        BLOB,
    window_us        INTEGER NOT NULL,
    window_until_us  INTEGER NOT NULL,
    kind             TEXT NOT NULL,
    proved_us        INTEGER NOT NULL,
    created_us       INTEGER NOT NULL,
    version          INTEGER NOT NULL
) STRICT;
CREATE INDEX proof_account ON proof (account, created_us) WHERE account <> '';

CREATE TABLE code_sent (
    account  TEXT NOT NULL,
    proof    TEXT NOT NULL,
    at_us    INTEGER NOT NULL
) STRICT;
CREATE INDEX code_sent_account ON code_sent (account, at_us);

CREATE TABLE passkey (
    id          TEXT PRIMARY KEY,
    account     TEXT NOT NULL,
    credential  BLOB NOT NULL,
    added_us    INTEGER NOT NULL,
    removed_us  INTEGER NOT NULL
) STRICT;
CREATE INDEX passkey_account ON passkey (account);

CREATE TABLE atm_session (
    hash      TEXT PRIMARY KEY,
    account   TEXT NOT NULL,
    client    TEXT NOT NULL,
    until_us  INTEGER NOT NULL
) STRICT;

-- L11: one chain for the bank. jws is the bank's signature over the evidence and prev.
CREATE TABLE evidence (
    seq      INTEGER PRIMARY KEY,
    kind     TEXT NOT NULL,
    request  TEXT NOT NULL,
    link     TEXT NOT NULL,
    account  TEXT NOT NULL,
    at_us    INTEGER NOT NULL,
    jws      TEXT NOT NULL,
    prev     TEXT NOT NULL,
    hash     TEXT NOT NULL
) STRICT;
CREATE INDEX evidence_request ON evidence (request) WHERE request <> '';
CREATE INDEX evidence_link ON evidence (link) WHERE link <> '';

-- L3: why, behind the one answer. Sealed with a key outside this file.
CREATE TABLE decision (
    reference  TEXT NOT NULL,
    at_us      INTEGER NOT NULL,
    sealed     BLOB NOT NULL
) STRICT;
CREATE INDEX decision_reference ON decision (reference);

-- +goose Down
DROP TABLE decision;
DROP TABLE evidence;
DROP TABLE atm_session;
DROP TABLE passkey;
DROP TABLE code_sent;
DROP TABLE proof;
DROP TABLE used_once;
DROP TABLE token;
DROP TABLE receipt;
DROP TABLE link;
DROP TABLE link_request;
