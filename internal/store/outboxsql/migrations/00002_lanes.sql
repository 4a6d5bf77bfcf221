-- Each destination has places of its own: a silent one must not hold up the others.

-- +goose Up
ALTER TABLE outbox_messages ADD COLUMN lane TEXT NOT NULL DEFAULT '';
UPDATE outbox_messages SET lane = kind;
DROP INDEX outbox_messages_due;
CREATE INDEX outbox_messages_lane ON outbox_messages (lane, due_us, seq);

-- +goose Down
DROP INDEX outbox_messages_lane;
CREATE INDEX outbox_messages_due ON outbox_messages (due_us, seq);
ALTER TABLE outbox_messages DROP COLUMN lane;
