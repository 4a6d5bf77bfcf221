-- People, their devices and links. Columns named sealed hold AES-256-GCM under a key outside this file, columns
-- named …_mark keyed fingerprints. Times are microseconds since 1970 in UTC, 0 for none.

-- +goose Up
CREATE TABLE holders (
    subject    TEXT    NOT NULL PRIMARY KEY,
    level      INTEGER NOT NULL,
    sealed     BLOB    NOT NULL, -- e-mail and phone
    email_mark BLOB    NOT NULL UNIQUE,
    phone_mark BLOB    NOT NULL UNIQUE,
    lang       TEXT    NOT NULL CHECK (lang IN ('ja', 'en')),
    created_us INTEGER NOT NULL,
    version    INTEGER NOT NULL CHECK (version > 0)
) STRICT, WITHOUT ROWID;

CREATE TABLE proofs (
    subject     TEXT    NOT NULL,
    n           INTEGER NOT NULL, -- the highest is what counts
    sealed      BLOB    NOT NULL, -- name, birth date, who examined what; never the document's number
    person_mark BLOB    NOT NULL,
    granted_us  INTEGER NOT NULL,
    PRIMARY KEY (subject, n)
) STRICT, WITHOUT ROWID;

CREATE INDEX proofs_person ON proofs (person_mark);

-- A document belongs to the holder it was first examined for, for ever: one proved identity, one wallet.
CREATE TABLE documents (
    document_mark BLOB NOT NULL PRIMARY KEY,
    subject       TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE devices (
    credential TEXT    NOT NULL PRIMARY KEY,
    subject    TEXT    NOT NULL,
    keys       TEXT    NOT NULL, -- JSON: public keys as banks get them
    record     TEXT    NOT NULL, -- JSON: the WebAuthn credential record
    added_us   INTEGER NOT NULL,
    removed_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX devices_current ON devices (subject) WHERE removed_us = 0;

CREATE TABLE errands (
    id       TEXT    NOT NULL PRIMARY KEY,
    kind     TEXT    NOT NULL CHECK (kind IN ('signup', 'recover', 'change_email', 'change_phone')),
    step     TEXT    NOT NULL CHECK (step IN ('email_code', 'phone', 'phone_code', 'device', 'done')),
    sealed   BLOB    NOT NULL, -- whom it is about, and the contacts typed
    code     TEXT    NOT NULL,
    lang     TEXT    NOT NULL,
    until_us INTEGER NOT NULL,
    version  INTEGER NOT NULL CHECK (version > 0)
) STRICT, WITHOUT ROWID;

CREATE INDEX errands_until ON errands (until_us);

CREATE TABLE codes (
    id           TEXT    NOT NULL PRIMARY KEY,
    errand       TEXT    NOT NULL,
    contact_mark BLOB    NOT NULL,
    hash         BLOB    NOT NULL, -- keyed
    tries_left   INTEGER NOT NULL CHECK (tries_left >= 0),
    sent_us      INTEGER NOT NULL,
    until_us     INTEGER NOT NULL,
    used_us      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX codes_contact ON codes (contact_mark, sent_us);
CREATE INDEX codes_sent ON codes (sent_us);

CREATE TABLE asks (
    request     TEXT    NOT NULL PRIMARY KEY,
    subject     TEXT    NOT NULL,
    issuer      TEXT    NOT NULL,
    bank        TEXT    NOT NULL,
    name_ja     TEXT    NOT NULL,
    name_en     TEXT    NOT NULL,
    stage       TEXT    NOT NULL CHECK (stage IN ('made', 'pushed', 'returned', 'linked', 'dead')),
    reason      TEXT    NOT NULL,
    state_hash  TEXT    NOT NULL UNIQUE,
    sealed      BLOB    NOT NULL, -- state, rs and authorization_details
    device      TEXT    NOT NULL,
    link        TEXT    NOT NULL,
    made_us     INTEGER NOT NULL,
    returned_us INTEGER NOT NULL,
    ended_us    INTEGER NOT NULL,
    version     INTEGER NOT NULL CHECK (version > 0)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX asks_open ON asks (subject, issuer) WHERE stage IN ('made', 'pushed', 'returned');

CREATE TABLE links (
    link           TEXT    NOT NULL PRIMARY KEY,
    request        TEXT    NOT NULL,
    subject        TEXT    NOT NULL,
    issuer         TEXT    NOT NULL,
    bank           TEXT    NOT NULL,
    name_ja        TEXT    NOT NULL,
    name_en        TEXT    NOT NULL,
    pseudonym      TEXT    NOT NULL,
    device         TEXT    NOT NULL, -- thumbprint of the device key in the bank's evidence
    seq            INTEGER NOT NULL,
    reported       TEXT    NOT NULL,
    reason         TEXT    NOT NULL,
    per_debit      INTEGER NOT NULL,
    per_day        INTEGER NOT NULL,
    per_month      INTEGER NOT NULL,
    receipt_us     INTEGER NOT NULL,
    cooling_us     INTEGER NOT NULL,
    limited_us     INTEGER NOT NULL, -- -1: until a strong proof
    valid_us       INTEGER NOT NULL,
    changes_open   INTEGER NOT NULL CHECK (changes_open >= 0),
    end_requested  INTEGER NOT NULL CHECK (end_requested IN (0, 1)),
    report_jws     TEXT    NOT NULL,
    created_us     INTEGER NOT NULL,
    updated_us     INTEGER NOT NULL,
    version        INTEGER NOT NULL CHECK (version > 0)
) STRICT, WITHOUT ROWID;

CREATE INDEX links_subject ON links (subject, created_us);

CREATE TABLE hub_events (
    one  INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    seen INTEGER NOT NULL
) STRICT;

INSERT INTO hub_events (one, seen) VALUES (1, 0);

-- +goose Down
DROP TABLE hub_events;
DROP TABLE links;
DROP TABLE asks;
DROP TABLE codes;
DROP TABLE errands;
DROP TABLE devices;
DROP TABLE documents;
DROP TABLE proofs;
DROP TABLE holders;
