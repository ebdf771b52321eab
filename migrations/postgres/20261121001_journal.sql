-- The journal: what happened, and where every stream ends. Append-only but for `entities`.
--
-- Ids and hashes are BYTEA and numbers BIGINT, as in SQLite, so that one text of SQL reads both.
-- Text keys are COLLATE "C": they sort by their bytes, as in SQLite, whatever the locale.
--
-- The fill factor leaves room on each page: an entity whose `wake_at` and `owes` stay as they are
-- is updated in place, without a new entry in any index.
CREATE TABLE entities (
    stream BYTEA NOT NULL PRIMARY KEY,
    tenant TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    sequence BIGINT NOT NULL,
    hash BYTEA NOT NULL,
    epoch BIGINT NOT NULL,
    wake_at BIGINT,
    owes BOOLEAN NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX entities_owing ON entities (stream) WHERE owes;
CREATE INDEX entities_waking ON entities (wake_at, stream) WHERE wake_at IS NOT NULL;

CREATE TABLE events (
    position BIGINT NOT NULL PRIMARY KEY,
    stream BYTEA NOT NULL,
    sequence BIGINT NOT NULL,
    event_type TEXT COLLATE "C" NOT NULL,
    payload TEXT NOT NULL,
    recorded_at BIGINT NOT NULL,
    causation BYTEA NOT NULL,
    correlation BYTEA NOT NULL,
    workflow TEXT COLLATE "C",
    policy_bundle TEXT COLLATE "C",
    subject TEXT COLLATE "C",
    key_id TEXT COLLATE "C",
    previous_hash BYTEA NOT NULL,
    hash BYTEA NOT NULL
);
CREATE UNIQUE INDEX events_by_stream ON events (stream, sequence);

-- One row per commit that wrote events; its hash covers theirs, so a cut tail, a deleted stream
-- or a rewritten chain shows.
CREATE TABLE batches (
    number BIGINT NOT NULL PRIMARY KEY,
    first_position BIGINT NOT NULL,
    last_position BIGINT NOT NULL,
    previous_hash BYTEA NOT NULL,
    hash BYTEA NOT NULL,
    committed_at BIGINT NOT NULL
);
