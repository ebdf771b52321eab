-- The keys that personal data is sealed under, one for each subject of a tenant, themselves sealed
-- (wrapped) under the platform's key.
--
-- A row never goes away. Where the key is destroyed it holds neither the wrapped key nor what that
-- was wrapped under, and says when and at whose word. What the server keeps of the row as it was,
-- and for how long, is in docs/semantics.md.
CREATE TABLE subject_keys (
    tenant TEXT COLLATE "C" NOT NULL,
    subject TEXT COLLATE "C" NOT NULL,
    key_id TEXT COLLATE "C" NOT NULL,
    wrapped_under TEXT COLLATE "C",
    wrapped BYTEA,
    created_at BIGINT NOT NULL,
    destroyed_at BIGINT,
    destroyed_by TEXT,
    PRIMARY KEY (tenant, subject)
);
CREATE INDEX subject_keys_by_platform_key ON subject_keys (wrapped_under)
    WHERE wrapped_under IS NOT NULL;
