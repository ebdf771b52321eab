-- The epoch under which a message was last tried. Whoever forgets a count says under which it tried:
-- a node that has lost the entity must not take its successor's count away, however late it comes.
ALTER TABLE attempts ADD COLUMN epoch BIGINT NOT NULL DEFAULT 0;
