-- The read side. In SQLite it is a file of its own; here it needs none, since writers of different
-- tables don't wait for each other. Everything in it can be made again from the journal.
CREATE TABLE snapshots (
    stream BYTEA NOT NULL PRIMARY KEY,
    sequence BIGINT NOT NULL,
    hash BYTEA NOT NULL,
    layout BIGINT NOT NULL,
    digest BYTEA NOT NULL,
    state BYTEA NOT NULL,
    taken_at BIGINT NOT NULL
);

-- A row is rewritten at every step of its subscription: room on the page keeps it in place.
CREATE TABLE subscriptions (
    name TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    position BIGINT NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE parked_events (
    subscription TEXT COLLATE "C" NOT NULL,
    position BIGINT NOT NULL,
    stream BYTEA NOT NULL,
    reason TEXT NOT NULL,
    parked_at BIGINT NOT NULL,
    PRIMARY KEY (subscription, position)
);
CREATE INDEX parked_events_by_stream ON parked_events (subscription, stream);

CREATE TABLE documents (
    model TEXT COLLATE "C" NOT NULL,
    tenant TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (model, tenant, id)
);
