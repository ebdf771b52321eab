-- What commands with an idempotency key were answered. Rows are nearly in order of time by their
-- number, so that dropping the oldest reads little more than it drops.
CREATE TABLE commands (
    number INTEGER PRIMARY KEY,
    stream BLOB NOT NULL,
    command_id BLOB NOT NULL,
    body_hash BLOB NOT NULL,
    sequence INTEGER NOT NULL,
    reply TEXT NOT NULL,
    recorded_at INTEGER NOT NULL,
    -- The entity that sent the command as an effect. While that one owes, the row stays.
    sender BLOB
) STRICT;
CREATE UNIQUE INDEX commands_by_id ON commands (stream, command_id);
