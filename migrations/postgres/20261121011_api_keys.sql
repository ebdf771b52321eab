-- What a key's owner sees of it. `intent` is the hash of what an idempotency key asked for: a repeat
-- is told by it, and the key's text is still nowhere.
ALTER TABLE api_keys ADD COLUMN name TEXT NOT NULL DEFAULT '';
ALTER TABLE api_keys ADD COLUMN user_id TEXT;
ALTER TABLE api_keys ADD COLUMN live BOOLEAN NOT NULL DEFAULT TRUE;
ALTER TABLE api_keys ADD COLUMN last_used_at BIGINT;
ALTER TABLE api_keys ADD COLUMN replaced_by BYTEA;
ALTER TABLE api_keys ADD COLUMN intent BYTEA;
CREATE INDEX api_keys_by_tenant ON api_keys (tenant, id);
