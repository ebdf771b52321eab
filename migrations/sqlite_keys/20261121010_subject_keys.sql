-- The keys that personal data is sealed under, one for each subject of a tenant, themselves sealed
-- (wrapped) under the platform's key. In a file of its own: here what is deleted is overwritten at
-- once and the log is cut after each erasure, which would cost every append of the journal.
--
-- A row never goes away. Where the key is destroyed it holds neither the wrapped key nor what that
-- was wrapped under, and says when and at whose word.
CREATE TABLE subject_keys (
    tenant TEXT NOT NULL,
    subject TEXT NOT NULL,
    key_id TEXT NOT NULL,
    wrapped_under TEXT,
    wrapped BLOB,
    created_at INTEGER NOT NULL,
    destroyed_at INTEGER,
    destroyed_by TEXT,
    PRIMARY KEY (tenant, subject)
) STRICT;
CREATE INDEX subject_keys_by_platform_key ON subject_keys (wrapped_under)
    WHERE wrapped_under IS NOT NULL;
