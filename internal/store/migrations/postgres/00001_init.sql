-- +goose Up
CREATE TABLE IF NOT EXISTS participant_link (
    upstream  TEXT NOT NULL,
    issuer    TEXT NOT NULL,
    subject   TEXT NOT NULL,
    reference TEXT NOT NULL,
    PRIMARY KEY (upstream, issuer, subject, reference)
);

CREATE TABLE IF NOT EXISTS shared_key (
    name  TEXT PRIMARY KEY,
    value BYTEA NOT NULL
);

-- granted is what has been given out of a window's limit; last_grant is what the
-- last change of the row gave, so that one statement can decide and answer.
CREATE TABLE IF NOT EXISTS quota_window (
    name       TEXT    NOT NULL,
    begins     BIGINT NOT NULL,
    granted    BIGINT NOT NULL,
    last_grant BIGINT NOT NULL,
    PRIMARY KEY (name, begins)
);
CREATE INDEX IF NOT EXISTS quota_window_begins ON quota_window (begins);

CREATE TABLE IF NOT EXISTS review (
    id         BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    once       TEXT UNIQUE,
    at         BIGINT NOT NULL,
    upstream   TEXT NOT NULL,
    kind       TEXT NOT NULL,
    request_id TEXT NOT NULL,
    issuer     TEXT NOT NULL,
    subject    TEXT NOT NULL,
    client     TEXT NOT NULL,
    purpose    TEXT NOT NULL,
    reason     TEXT NOT NULL,
    detail     TEXT NOT NULL
);

-- +goose Down
DROP TABLE review;
DROP TABLE quota_window;
DROP TABLE shared_key;
DROP TABLE participant_link;
