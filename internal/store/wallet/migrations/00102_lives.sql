-- Requests that may be forgotten one day.

-- +goose Up
CREATE INDEX asks_over ON asks (made_us) WHERE stage IN ('made', 'pushed', 'dead');

-- +goose Down
DROP INDEX asks_over;
