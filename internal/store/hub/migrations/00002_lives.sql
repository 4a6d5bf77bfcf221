-- What the hub may forget: events that their service has taken, secrets of requests that are over.

-- +goose Up
CREATE TABLE event_marks (
  service TEXT NOT NULL PRIMARY KEY,
  read BIGINT NOT NULL,             -- the service has taken all up to here
  forgotten BIGINT NOT NULL,        -- all up to here are removed; numbers go on after it
  CHECK (0 <= forgotten AND forgotten <= read)
);
CREATE INDEX requests_kept ON requests (created_us) WHERE redirect_uri <> '';

-- +goose Down
DROP INDEX requests_kept;
DROP TABLE event_marks;
