-- The journal: what happened, and where every stream ends. Append-only but for `entities`.
CREATE TABLE entities (
    stream BLOB NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    hash BLOB NOT NULL,
    epoch INTEGER NOT NULL,
    wake_at INTEGER,
    owes INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX entities_owing ON entities (stream) WHERE owes;
CREATE INDEX entities_waking ON entities (wake_at, stream) WHERE wake_at IS NOT NULL;

CREATE TABLE events (
    position INTEGER PRIMARY KEY,
    stream BLOB NOT NULL,
    sequence INTEGER NOT NULL,
    event_type TEXT NOT NULL,
    payload TEXT NOT NULL,
    recorded_at INTEGER NOT NULL,
    causation BLOB NOT NULL,
    correlation BLOB NOT NULL,
    workflow TEXT,
    policy_bundle TEXT,
    subject TEXT,
    key_id TEXT,
    previous_hash BLOB NOT NULL,
    hash BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX events_by_stream ON events (stream, sequence);

-- One row per commit that wrote events; its hash covers theirs, so a cut tail, a deleted stream
-- or a rewritten chain shows.
CREATE TABLE batches (
    number INTEGER PRIMARY KEY,
    first_position INTEGER NOT NULL,
    last_position INTEGER NOT NULL,
    previous_hash BLOB NOT NULL,
    hash BLOB NOT NULL,
    committed_at INTEGER NOT NULL
) STRICT;
