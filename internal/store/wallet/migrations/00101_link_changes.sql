-- The changes of a link that its bank has not answered, by id: a set, for an answer that comes twice takes away
-- what it answers and nothing else (L9). Of changes from before, the messages that still wait say which are open.

-- +goose Up
CREATE TABLE link_changes (
    link   TEXT NOT NULL REFERENCES links (link),
    change TEXT NOT NULL, -- its id, which is the outbox message's too
    PRIMARY KEY (link, change)
) STRICT, WITHOUT ROWID;

INSERT INTO link_changes (link, change)
SELECT m.key, m.id FROM outbox_messages AS m JOIN links AS l ON l.link = m.key WHERE m.kind = 'link.change';

ALTER TABLE links DROP COLUMN changes_open;

-- +goose Down
ALTER TABLE links ADD COLUMN changes_open INTEGER NOT NULL DEFAULT 0 CHECK (changes_open >= 0);
UPDATE links SET changes_open = (SELECT count(*) FROM link_changes AS c WHERE c.link = links.link);
DROP TABLE link_changes;
