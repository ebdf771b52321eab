-- How often messages to entities were tried, and which ones are out of delivery. A count is durable
-- before the try, so that a try that ends the process is counted.
--
-- No index over `touched_at`: without one a count is rewritten in place, on the room that the fill
-- factor leaves, and the table holds no more than what is under way.
CREATE TABLE attempts (
    stream BYTEA NOT NULL,
    message BYTEA NOT NULL,
    count BIGINT NOT NULL,
    touched_at BIGINT NOT NULL,
    PRIMARY KEY (stream, message)
) WITH (fillfactor = 70);

-- Numbers come from a sequence: the number of a letter that was removed is not given again.
CREATE TABLE dead_letters (
    number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id BYTEA NOT NULL UNIQUE,
    tenant TEXT COLLATE "C" NOT NULL,
    entity_kind TEXT COLLATE "C" NOT NULL,
    entity_id TEXT COLLATE "C" NOT NULL,
    message BYTEA NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    name TEXT NOT NULL,
    body TEXT,
    reason TEXT COLLATE "C" NOT NULL,
    detail TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    arrived_at BIGINT NOT NULL
);
CREATE INDEX dead_letters_by_tenant ON dead_letters (tenant, number);
