-- The read side, in its own file with its own writer, so that it never queues in the append path.
-- Everything here can be made again from the journal.
CREATE TABLE snapshots (
    stream BLOB NOT NULL PRIMARY KEY,
    sequence INTEGER NOT NULL,
    hash BLOB NOT NULL,
    layout INTEGER NOT NULL,
    digest BLOB NOT NULL,
    state BLOB NOT NULL,
    taken_at INTEGER NOT NULL
) STRICT;

CREATE TABLE subscriptions (
    name TEXT NOT NULL PRIMARY KEY,
    position INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE parked_events (
    subscription TEXT NOT NULL,
    position INTEGER NOT NULL,
    stream BLOB NOT NULL,
    reason TEXT NOT NULL,
    parked_at INTEGER NOT NULL,
    PRIMARY KEY (subscription, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX parked_events_by_stream ON parked_events (subscription, stream);

CREATE TABLE documents (
    model TEXT NOT NULL,
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (model, tenant, id)
) STRICT, WITHOUT ROWID;
