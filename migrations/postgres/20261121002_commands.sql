-- What commands with an idempotency key were answered. Rows are nearly in order of time by their
-- number, so that dropping the oldest reads little more than it drops. The numbers come from a
-- sequence and may have gaps; their order is the order of commits, since they are drawn under the
-- append's lock.
CREATE TABLE commands (
    number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    stream BYTEA NOT NULL,
    command_id BYTEA NOT NULL,
    body_hash BYTEA NOT NULL,
    sequence BIGINT NOT NULL,
    reply TEXT NOT NULL,
    recorded_at BIGINT NOT NULL,
    -- The entity that sent the command as an effect. While that one owes, the row stays.
    sender BYTEA
);
CREATE UNIQUE INDEX commands_by_id ON commands (stream, command_id);
