-- Entities are numbered as they begin, and an event is found by its entity's number. By the hash of
-- the stream, which is as good as random, each event would change a page of its own in the index and
-- another one in `entities`; by the number, what is under way at one time lies together.
ALTER TABLE entities RENAME TO entities_before;
CREATE TABLE entities (
    -- AUTOINCREMENT: the events of an entity whose row is gone must not become another one's.
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    stream BLOB NOT NULL,
    tenant TEXT NOT NULL,
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    hash BLOB NOT NULL,
    epoch INTEGER NOT NULL,
    wake_at INTEGER,
    owes INTEGER NOT NULL
) STRICT;
INSERT INTO entities (stream, tenant, kind, id, sequence, hash, epoch, wake_at, owes)
    SELECT b.stream, b.tenant, b.kind, b.id, b.sequence, b.hash, b.epoch, b.wake_at, b.owes
    FROM entities_before b
    ORDER BY (SELECT MIN(e.position) FROM events e WHERE e.stream = b.stream AND e.sequence = 1),
        b.stream;
DROP TABLE entities_before;
CREATE UNIQUE INDEX entities_by_stream ON entities (stream);
CREATE INDEX entities_owing ON entities (stream) WHERE owes;
CREATE INDEX entities_waking ON entities (wake_at, stream) WHERE wake_at IS NOT NULL;
CREATE INDEX entities_by_kind ON entities (tenant, kind, id);

ALTER TABLE events ADD COLUMN entity INTEGER NOT NULL DEFAULT 0;
-- An event whose entity has no row belongs to nobody, and stands in nobody's way. OR ROLLBACK: else
-- SQLite keeps a copy of all that the statement changes, to undo it alone.
UPDATE OR ROLLBACK events SET entity =
    COALESCE((SELECT n.number FROM entities n WHERE n.stream = events.stream), -ABS(position));
DROP INDEX events_by_stream;
CREATE UNIQUE INDEX events_by_entity ON events (entity, sequence);
-- A stream begins once, also where its entity's row is gone.
CREATE UNIQUE INDEX events_that_begin ON events (stream) WHERE sequence = 1;
