-- Who owns which shard. The epoch grows with every change of owner and fences appends: whoever
-- changes it holds the append's lock meanwhile.
CREATE TABLE shards (
    shard BIGINT NOT NULL PRIMARY KEY,
    epoch BIGINT NOT NULL,
    owner TEXT COLLATE "C" NOT NULL,
    expires_at BIGINT
);

CREATE TABLE tenants (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

-- API keys by the first eight characters of their random part, which is not unique. The key itself
-- is never stored, only its SHA-256.
CREATE TABLE api_keys (
    id BYTEA NOT NULL PRIMARY KEY,
    tenant TEXT COLLATE "C" NOT NULL REFERENCES tenants (id),
    prefix TEXT COLLATE "C" NOT NULL,
    hash BYTEA NOT NULL,
    scopes TEXT NOT NULL,
    description TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    revoked_at BIGINT
);
CREATE INDEX api_keys_by_prefix ON api_keys (prefix);
