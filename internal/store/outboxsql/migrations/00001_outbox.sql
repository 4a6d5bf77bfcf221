-- What is still to be said to others. A delivered message is removed.

-- +goose Up
CREATE TABLE outbox_messages (
    seq      INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, -- the order of writing: SQLite has one writer
    id       TEXT    NOT NULL UNIQUE,
    kind     TEXT    NOT NULL,
    key      TEXT    NOT NULL, -- '' waits for no other
    sealed   BLOB    NOT NULL,
    due_us   INTEGER NOT NULL, -- microseconds since 1970 UTC; 0 is at once
    attempts INTEGER NOT NULL
) STRICT;

CREATE INDEX outbox_messages_due ON outbox_messages (due_us, seq);
CREATE INDEX outbox_messages_key ON outbox_messages (key, seq) WHERE key <> '';

-- +goose Down
DROP TABLE outbox_messages;
