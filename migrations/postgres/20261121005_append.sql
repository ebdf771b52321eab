-- The append: one call per batch of units, which is one round trip and one transaction.
--
-- The arrays of a call come in three groups of equal length: one element per append, per event and
-- per command record. Events and command records name their append by its number, from 1; appends
-- name their unit by its number. A stream stands at most once in a call.
--
-- `coppice_append` takes the lock, has the work done and commits. It is a procedure because a
-- function can't commit: the transaction around it ends when the client's next message has
-- arrived, and while the server waits for that message it runs no timeout. A node that froze just
-- then would hold the lock, and with it every other node, for as long as it stayed frozen.

-- Judges a batch in which something is at fault. Rare, so it may be slow, and it may use any plan.
--
-- An append that is in the journal already, from a try whose answer was lost, is no fault: by its
-- last event, or, where it has none, by all of its command records. A unit of nothing else is
-- committed and isn't written again, even where its shard has a new epoch by now. Of the other
-- units, each with a faulty append is refused.
CREATE FUNCTION coppice_append_judge(
    append_units BIGINT[],
    append_streams BYTEA[],
    append_expected_sequences BIGINT[],
    append_sequences BIGINT[],
    append_hashes BYTEA[],
    command_appends BIGINT[],
    command_ids BYTEA[],
    command_body_hashes BYTEA[],
    command_sequences BIGINT[],
    faulty BIGINT[],
    fault TEXT[],
    duplicate_append BIGINT[],
    OUT accepted BOOLEAN[],
    OUT refused BIGINT[],
    OUT reason TEXT[]
)
LANGUAGE plpgsql
SET jit = off
AS $$
BEGIN
    WITH unrecorded AS (
        SELECT DISTINCT c.append
          FROM unnest(command_appends, command_ids, command_body_hashes, command_sequences)
            AS c (append, id, body_hash, sequence)
          LEFT JOIN commands k
            ON k.stream = append_streams[c.append] AND k.command_id = c.id
           AND k.body_hash = c.body_hash AND k.sequence = c.sequence
         WHERE k.number IS NULL
    ), judged AS (
        SELECT a.number, a.unit, COALESCE(f.fault, d.fault) AS fault,
               CASE WHEN a.sequence > a.expected_sequence
                    THEN EXISTS (SELECT 1 FROM events v WHERE v.stream = a.stream
                                    AND v.sequence = a.sequence AND v.hash = a.hash)
                    ELSE u.append IS NULL
               END AS written
          FROM unnest(append_units, append_streams, append_expected_sequences, append_sequences,
                      append_hashes) WITH ORDINALITY
            AS a (unit, stream, expected_sequence, sequence, hash, number)
          LEFT JOIN unnest(faulty, fault) AS f (append, fault) ON f.append = a.number
          LEFT JOIN (SELECT DISTINCT n.append, 'duplicate' AS fault
                       FROM unnest(duplicate_append) AS n (append)) AS d ON d.append = a.number
          LEFT JOIN unrecorded u ON u.append = a.number
    ), united AS (
        SELECT j.number, j.fault,
               bool_and(j.written) OVER unit AS unit_written,
               bool_or(j.fault IS NOT NULL) OVER unit AS unit_faulty
          FROM judged j
        WINDOW unit AS (PARTITION BY j.unit)
    )
    SELECT array_agg(NOT u.unit_written AND NOT u.unit_faulty ORDER BY u.number),
           array_agg(u.number ORDER BY u.number)
               FILTER (WHERE u.fault IS NOT NULL AND NOT u.unit_written),
           array_agg(u.fault ORDER BY u.number)
               FILTER (WHERE u.fault IS NOT NULL AND NOT u.unit_written)
      INTO accepted, refused, reason
      FROM united u;
END
$$;

-- Checks a batch and writes what is accepted. The caller holds the lock.
--
-- The planner's settings: every table here is entered by its key, for as many rows as the batch
-- has. Left to itself the planner reads a small table whole, and keeps the plan as the table grows.
CREATE FUNCTION coppice_append_units(
    append_units BIGINT[],
    append_streams BYTEA[],
    append_tenants TEXT[],
    append_kinds TEXT[],
    append_ids TEXT[],
    append_shards BIGINT[],
    append_epochs BIGINT[],
    append_expected_sequences BIGINT[],
    append_expected_hashes BYTEA[],
    append_sequences BIGINT[],
    append_hashes BYTEA[],
    append_wakes BIGINT[],
    append_owes BOOLEAN[],
    event_appends BIGINT[],
    event_sequences BIGINT[],
    event_types TEXT[],
    event_payloads TEXT[],
    event_times BIGINT[],
    event_causations BYTEA[],
    event_correlations BYTEA[],
    event_workflows TEXT[],
    event_policy_bundles TEXT[],
    event_subjects TEXT[],
    event_key_ids TEXT[],
    event_previous_hashes BYTEA[],
    event_hashes BYTEA[],
    command_appends BIGINT[],
    command_ids BYTEA[],
    command_body_hashes BYTEA[],
    command_sequences BIGINT[],
    command_replies TEXT[],
    command_times BIGINT[],
    OUT refused BIGINT[],
    OUT reason TEXT[],
    OUT duplicate_append BIGINT[],
    OUT duplicate_id BYTEA[]
)
LANGUAGE plpgsql
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET plan_cache_mode = force_generic_plan
SET jit = off
AS $$
DECLARE
    -- By append; null while every append is accepted.
    accepted BOOLEAN[];
    last_batch BIGINT;
    last_position BIGINT;
    last_hash BYTEA;
    written BIGINT;
BEGIN
    SELECT array_agg(f.append), array_agg(f.fault) INTO refused, reason
      FROM (
        SELECT a AS append,
               CASE WHEN s.epoch IS DISTINCT FROM append_epochs[a] THEN 'epoch'
                    WHEN e.stream IS NULL THEN
                         CASE WHEN append_expected_sequences[a] <> 0
                                OR append_expected_hashes[a] <> sha256(int8send(18) || 'coppice.genesis.v1'::bytea || append_streams[a])
                              THEN 'head' END
                    WHEN e.sequence <> append_expected_sequences[a]
                      OR e.hash <> append_expected_hashes[a] OR e.tenant <> append_tenants[a]
                      OR e.kind <> append_kinds[a] OR e.id <> append_ids[a] THEN 'head'
               END AS fault
          FROM generate_subscripts(append_streams, 1) AS a
          LEFT JOIN shards s ON s.shard = append_shards[a]
          LEFT JOIN entities e ON e.stream = append_streams[a]
      ) AS f
     WHERE f.fault IS NOT NULL;
    SELECT array_agg(command_appends[c] ORDER BY c), array_agg(command_ids[c] ORDER BY c)
      INTO duplicate_append, duplicate_id
      FROM generate_subscripts(command_ids, 1) AS c
      JOIN commands k
        ON k.stream = append_streams[command_appends[c]] AND k.command_id = command_ids[c];
    IF refused IS NOT NULL OR duplicate_append IS NOT NULL THEN
        SELECT j.accepted, j.refused, j.reason INTO accepted, refused, reason
          FROM coppice_append_judge(
              append_units, append_streams, append_expected_sequences, append_sequences, append_hashes,
              command_appends, command_ids, command_body_hashes, command_sequences,
              refused, reason, duplicate_append) AS j;
    END IF;

    INSERT INTO entities (stream, tenant, kind, id, sequence, hash, epoch, wake_at, owes)
    SELECT append_streams[a], append_tenants[a], append_kinds[a], append_ids[a], append_sequences[a],
           append_hashes[a], append_epochs[a], append_wakes[a], append_owes[a]
      FROM generate_subscripts(append_streams, 1) AS a
     WHERE (accepted IS NULL OR accepted[a]) AND append_sequences[a] > 0
        ON CONFLICT (stream) DO UPDATE SET sequence = excluded.sequence, hash = excluded.hash,
           epoch = excluded.epoch, wake_at = excluded.wake_at, owes = excluded.owes;

    INSERT INTO commands (stream, command_id, body_hash, sequence, reply, recorded_at)
    SELECT append_streams[command_appends[c]], command_ids[c], command_body_hashes[c],
           command_sequences[c], command_replies[c], command_times[c]
      FROM generate_subscripts(command_ids, 1) AS c
     WHERE accepted IS NULL OR accepted[command_appends[c]]
     ORDER BY c;

    SELECT b.number, b.last_position, b.hash INTO last_batch, last_position, last_hash
      FROM batches b ORDER BY b.number DESC LIMIT 1;
    last_batch := COALESCE(last_batch, 0);
    last_position := COALESCE(last_position, 0);
    last_hash := COALESCE(last_hash, decode(repeat('00', 32), 'hex'));

    INSERT INTO events (position, stream, sequence, event_type, payload, recorded_at, causation,
                        correlation, workflow, policy_bundle, subject, key_id, previous_hash, hash)
    SELECT last_position + row_number() OVER (ORDER BY e), append_streams[event_appends[e]],
           event_sequences[e], event_types[e], event_payloads[e], event_times[e],
           event_causations[e], event_correlations[e], event_workflows[e], event_policy_bundles[e],
           event_subjects[e], event_key_ids[e], event_previous_hashes[e], event_hashes[e]
      FROM generate_subscripts(event_hashes, 1) AS e
     WHERE accepted IS NULL OR accepted[event_appends[e]];
    GET DIAGNOSTICS written = ROW_COUNT;
    IF written > 0 THEN
        -- As coppice_persistence::chain::batch_hash: the domain with its length, then fields of
        -- fixed length.
        INSERT INTO batches (number, first_position, last_position, previous_hash, hash,
                             committed_at)
        SELECT last_batch + 1, last_position + 1, last_position + written, last_hash,
               sha256(int8send(16) || 'coppice.batch.v1'::bytea || last_hash
                   || int8send(last_batch + 1) || int8send(last_position + 1)
                   || int8send(last_position + written)
                   || string_agg(event_hashes[e], ''::bytea ORDER BY e)),
               CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)
          FROM generate_subscripts(event_hashes, 1) AS e
         WHERE accepted IS NULL OR accepted[event_appends[e]];
    END IF;
END
$$;

-- Takes the lock, appends and commits. Answers with the numbers of the faulty appends and the
-- reason of each, `epoch`, `head` or `duplicate`, and the command records that were there before;
-- the unit of a faulty append is refused, every other unit is committed.
--
-- The lock's key is the bytes "coppice" and 1. It orders commits by their positions, so that who
-- tails the journal by position misses nothing, and orders appends against changes of owner.
CREATE PROCEDURE coppice_append(
    append_units BIGINT[],
    append_streams BYTEA[],
    append_tenants TEXT[],
    append_kinds TEXT[],
    append_ids TEXT[],
    append_shards BIGINT[],
    append_epochs BIGINT[],
    append_expected_sequences BIGINT[],
    append_expected_hashes BYTEA[],
    append_sequences BIGINT[],
    append_hashes BYTEA[],
    append_wakes BIGINT[],
    append_owes BOOLEAN[],
    event_appends BIGINT[],
    event_sequences BIGINT[],
    event_types TEXT[],
    event_payloads TEXT[],
    event_times BIGINT[],
    event_causations BYTEA[],
    event_correlations BYTEA[],
    event_workflows TEXT[],
    event_policy_bundles TEXT[],
    event_subjects TEXT[],
    event_key_ids TEXT[],
    event_previous_hashes BYTEA[],
    event_hashes BYTEA[],
    command_appends BIGINT[],
    command_ids BYTEA[],
    command_body_hashes BYTEA[],
    command_sequences BIGINT[],
    command_replies TEXT[],
    command_times BIGINT[],
    OUT refused BIGINT[],
    OUT reason TEXT[],
    OUT duplicate_append BIGINT[],
    OUT duplicate_id BYTEA[]
)
LANGUAGE plpgsql
AS $$
BEGIN
    -- On its own, so that every statement after it sees what the holder before us committed.
    PERFORM pg_advisory_xact_lock(7165069160276518145);
    SELECT u.refused, u.reason, u.duplicate_append, u.duplicate_id
      INTO refused, reason, duplicate_append, duplicate_id
      FROM coppice_append_units(
          append_units, append_streams, append_tenants, append_kinds, append_ids, append_shards,
          append_epochs, append_expected_sequences, append_expected_hashes, append_sequences,
          append_hashes, append_wakes, append_owes,
          event_appends, event_sequences, event_types, event_payloads, event_times,
          event_causations, event_correlations, event_workflows, event_policy_bundles, event_subjects,
          event_key_ids, event_previous_hashes, event_hashes,
          command_appends, command_ids, command_body_hashes, command_sequences, command_replies,
          command_times) AS u;
    COMMIT;
END
$$;
