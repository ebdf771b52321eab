-- What commands with an idempotency key were answered. Rows are in order of time by their number,
-- so that dropping the oldest reads no more than it drops. The numbers come from a sequence and may
-- have gaps; their order is the order of commits, since they are drawn under the append's lock.
CREATE TABLE commands (
    number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    stream BYTEA NOT NULL,
    command_id BYTEA NOT NULL,
    body_hash BYTEA NOT NULL,
    sequence BIGINT NOT NULL,
    reply TEXT NOT NULL,
    recorded_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX commands_by_id ON commands (stream, command_id);
