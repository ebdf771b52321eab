-- The append: one call per batch of units, which is one round trip and one transaction.
--
-- A call's arrays come in three groups, of one element per append, per event and per command
-- record. Units and appends are numbered from 1. Appends name their unit, events and command
-- records their append, by its number. A stream stands at most once in a call.
--
-- `coppice_append` takes the lock, has the work done and commits. It is a procedure because a
-- function can't commit: the transaction around it ends when the client's next message has come,
-- and while the server waits for that message it runs no timeout. A node that froze just then would
-- hold the lock, and with it every other node, for as long as it stayed frozen.
--
-- Arrays are read by subscript, which costs a quarter of unnesting them side by side.

-- Judges a batch in which something is at fault. `faults` has one element per append.
--
-- An append that is in the journal already, from a try whose answer was lost, is no fault: by its
-- last event or, where it has none, by all of its command records as they are: another answer to
-- the same command is a duplicate. A unit of nothing else is committed and isn't written again,
-- even where its shard has a new epoch by now. Of the other units, each with a faulty append is
-- refused.
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
    command_replies TEXT[],
    command_times BIGINT[],
    command_senders BYTEA[],
    faults TEXT[],
    duplicate_appends BIGINT[],
    OUT accepted BOOLEAN[],
    OUT refused BIGINT[],
    OUT reasons TEXT[]
)
LANGUAGE plpgsql
SET enable_seqscan = off
SET enable_hashjoin = on
SET plan_cache_mode = force_custom_plan
SET jit = off
AS $$
BEGIN
    -- Tables are looked into row by row, in subqueries that can't become a scan of the whole.
    WITH recorded AS (
        SELECT command_appends[c] AS append, bool_and(COALESCE((
                   SELECT k.body_hash = command_body_hashes[c] AND k.sequence = command_sequences[c]
                      AND k.reply = command_replies[c] AND k.recorded_at = command_times[c]
                      AND k.sender IS NOT DISTINCT FROM command_senders[c]
                     FROM commands k
                    WHERE k.stream = append_streams[command_appends[c]]
                      AND k.command_id = command_ids[c]), FALSE)) AS unchanged
          FROM generate_subscripts(command_ids, 1) AS c
         GROUP BY 1
    ), duplicate AS (
        SELECT DISTINCT duplicate_appends[d] AS append
          FROM generate_subscripts(duplicate_appends, 1) AS d
    ), judged AS (
        SELECT a AS append, append_units[a] AS unit,
               CASE WHEN faults[a] IS NOT NULL THEN faults[a]
                    WHEN d.append IS NOT NULL THEN 'duplicate' END AS fault,
               CASE WHEN append_sequences[a] > append_expected_sequences[a] THEN COALESCE((
                         SELECT v.hash = append_hashes[a] FROM events v
                          WHERE v.stream = append_streams[a] AND v.sequence = append_sequences[a]),
                         FALSE)
                    ELSE COALESCE(r.unchanged, TRUE) END AS written
          FROM generate_subscripts(append_units, 1) AS a
          LEFT JOIN duplicate d ON d.append = a
          LEFT JOIN recorded r ON r.append = a
    ), united AS (
        SELECT j.append, j.fault, bool_and(j.written) OVER unit AS unit_written,
               bool_or(j.fault IS NOT NULL) OVER unit AS unit_faulty
          FROM judged j
        WINDOW unit AS (PARTITION BY j.unit)
    )
    SELECT array_agg(NOT u.unit_written AND NOT u.unit_faulty ORDER BY u.append),
           array_agg(u.append ORDER BY u.append)
               FILTER (WHERE u.fault IS NOT NULL AND NOT u.unit_written),
           array_agg(u.fault ORDER BY u.append)
               FILTER (WHERE u.fault IS NOT NULL AND NOT u.unit_written)
      INTO accepted, refused, reasons
      FROM united u;
END
$$;

-- Checks a batch and writes what is accepted. The caller holds the lock.
--
-- The planner's settings: every table is entered by its key, once for each element. Left to itself
-- the planner reads a small table whole, and keeps the plan while the table grows.
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
    command_senders BYTEA[],
    OUT refused BIGINT[],
    OUT reasons TEXT[],
    OUT duplicate_appends BIGINT[],
    OUT duplicate_ids BYTEA[]
)
LANGUAGE plpgsql
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET plan_cache_mode = force_generic_plan
SET jit = off
AS $$
DECLARE
    faults TEXT[];
    faulty BOOLEAN;
    -- By append; null while every append is accepted.
    accepted BOOLEAN[];
    tail_number BIGINT;
    tail_position BIGINT;
    tail_hash BYTEA;
    written BIGINT;
BEGIN
    -- A stream without a row is at sequence 0 and at its genesis, which is computed as
    -- coppice_core::StreamHead::genesis does: the domain with its length, then the stream.
    SELECT array_agg(f.fault ORDER BY f.append), bool_or(f.fault IS NOT NULL) INTO faults, faulty
      FROM (
        SELECT a AS append,
               CASE WHEN s.epoch IS DISTINCT FROM append_epochs[a] THEN 'epoch'
                    WHEN e.stream IS NULL THEN
                         CASE WHEN append_expected_sequences[a] <> 0
                                OR append_expected_hashes[a] <> sha256(int8send(18)
                                   || 'coppice.genesis.v1'::bytea || append_streams[a])
                              THEN 'head' END
                    WHEN e.sequence <> append_expected_sequences[a]
                      OR e.hash <> append_expected_hashes[a] OR e.tenant <> append_tenants[a]
                      OR e.kind <> append_kinds[a] OR e.id <> append_ids[a] THEN 'head'
               END AS fault
          FROM generate_subscripts(append_streams, 1) AS a
          LEFT JOIN shards s ON s.shard = append_shards[a]
          LEFT JOIN entities e ON e.stream = append_streams[a]
      ) AS f;
    SELECT array_agg(command_appends[c] ORDER BY c), array_agg(command_ids[c] ORDER BY c)
      INTO duplicate_appends, duplicate_ids
      FROM generate_subscripts(command_ids, 1) AS c
      JOIN commands k
        ON k.stream = append_streams[command_appends[c]] AND k.command_id = command_ids[c];
    IF faulty OR duplicate_appends IS NOT NULL THEN
        SELECT j.accepted, j.refused, j.reasons INTO accepted, refused, reasons
          FROM coppice_append_judge(
              append_units, append_streams, append_expected_sequences, append_sequences,
              append_hashes, command_appends, command_ids, command_body_hashes, command_sequences,
              command_replies, command_times, command_senders, faults, duplicate_appends) AS j;
    END IF;

    -- A stream that has command records and no events has no row.
    INSERT INTO entities (stream, tenant, kind, id, sequence, hash, epoch, wake_at, owes)
    SELECT append_streams[a], append_tenants[a], append_kinds[a], append_ids[a],
           append_sequences[a], append_hashes[a], append_epochs[a], append_wakes[a], append_owes[a]
      FROM generate_subscripts(append_streams, 1) AS a
     WHERE (accepted IS NULL OR accepted[a]) AND append_sequences[a] > 0
        ON CONFLICT (stream) DO UPDATE SET sequence = excluded.sequence, hash = excluded.hash,
           epoch = excluded.epoch, wake_at = excluded.wake_at, owes = excluded.owes;

    INSERT INTO commands (stream, command_id, body_hash, sequence, reply, recorded_at, sender)
    SELECT append_streams[command_appends[c]], command_ids[c], command_body_hashes[c],
           command_sequences[c], command_replies[c], command_times[c], command_senders[c]
      FROM generate_subscripts(command_ids, 1) AS c
     WHERE accepted IS NULL OR accepted[command_appends[c]]
     ORDER BY c;

    -- Positions continue the last batch: unlike a sequence's numbers they are dense, whatever was
    -- refused or rolled back.
    SELECT b.number, b.last_position, b.hash INTO tail_number, tail_position, tail_hash
      FROM batches b ORDER BY b.number DESC LIMIT 1;
    tail_number := COALESCE(tail_number, 0);
    tail_position := COALESCE(tail_position, 0);
    tail_hash := COALESCE(tail_hash, decode(repeat('00', 32), 'hex'));

    INSERT INTO events (position, stream, sequence, event_type, payload, recorded_at, causation,
                        correlation, workflow, policy_bundle, subject, key_id, previous_hash, hash)
    SELECT tail_position + row_number() OVER (ORDER BY e), append_streams[event_appends[e]],
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
        SELECT tail_number + 1, tail_position + 1, tail_position + written, tail_hash,
               sha256(int8send(16) || 'coppice.batch.v1'::bytea || tail_hash
                   || int8send(tail_number + 1) || int8send(tail_position + 1)
                   || int8send(tail_position + written)
                   || string_agg(event_hashes[e], ''::bytea ORDER BY e)),
               CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)
          FROM generate_subscripts(event_hashes, 1) AS e
         WHERE accepted IS NULL OR accepted[event_appends[e]];
    END IF;
END
$$;

-- Takes the lock, appends and commits. Gives back the numbers of the faulty appends, the reason of
-- each (`epoch`, `head` or `duplicate`), and the command records that were there before by the
-- number of their append and their id; each is null where there is none. The unit of a faulty
-- append is refused; every other unit is committed.
--
-- The lock's key is the bytes of "coppice" and a 1. It makes commits come in the order of their
-- positions, so that whoever tails the journal by position misses nothing; and whoever changes the
-- owner of a shard holds it too, so that no append is under way meanwhile.
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
    command_senders BYTEA[],
    OUT refused BIGINT[],
    OUT reasons TEXT[],
    OUT duplicate_appends BIGINT[],
    OUT duplicate_ids BYTEA[]
)
LANGUAGE plpgsql
AS $$
BEGIN
    -- A statement of its own, so that those after it see what the holder before us committed.
    PERFORM pg_advisory_xact_lock(7165069160276518145);
    SELECT u.refused, u.reasons, u.duplicate_appends, u.duplicate_ids
      INTO refused, reasons, duplicate_appends, duplicate_ids
      FROM coppice_append_units(
          append_units, append_streams, append_tenants, append_kinds, append_ids, append_shards,
          append_epochs, append_expected_sequences, append_expected_hashes, append_sequences,
          append_hashes, append_wakes, append_owes,
          event_appends, event_sequences, event_types, event_payloads, event_times,
          event_causations, event_correlations, event_workflows, event_policy_bundles,
          event_subjects, event_key_ids, event_previous_hashes, event_hashes,
          command_appends, command_ids, command_body_hashes, command_sequences, command_replies,
          command_times, command_senders) AS u;
    COMMIT;
END
$$;
