-- What commands with an idempotency key were answered. Rows are in order of time by their number,
-- so that dropping the oldest reads no more than it drops.
CREATE TABLE commands (
    number INTEGER PRIMARY KEY,
    stream BLOB NOT NULL,
    command_id BLOB NOT NULL,
    body_hash BLOB NOT NULL,
    sequence INTEGER NOT NULL,
    reply TEXT NOT NULL,
    recorded_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX commands_by_id ON commands (stream, command_id);
