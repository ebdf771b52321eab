-- How often messages to entities were tried, and which ones are out of delivery. A count is durable
-- before the try, so that a try that ends the process is counted.
--
-- No index over `touched_at`: it would be rewritten by every count, and the table holds no more than
-- what is under way.
CREATE TABLE attempts (
    stream BLOB NOT NULL,
    message BLOB NOT NULL,
    count INTEGER NOT NULL,
    touched_at INTEGER NOT NULL,
    PRIMARY KEY (stream, message)
) STRICT, WITHOUT ROWID;

-- AUTOINCREMENT: the number of a letter that was removed is not given again, or whoever reads in
-- pages would miss the new one.
CREATE TABLE dead_letters (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id BLOB NOT NULL UNIQUE,
    tenant TEXT NOT NULL,
    entity_kind TEXT NOT NULL,
    entity_id TEXT NOT NULL,
    message BLOB NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    body TEXT,
    reason TEXT NOT NULL,
    detail TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    arrived_at INTEGER NOT NULL
) STRICT;
CREATE INDEX dead_letters_by_tenant ON dead_letters (tenant, number);
