-- name: lock_states
-- The one order in which every writer locks the rows of records here (docs/recovery.md, "Locks"): by record id, all of
-- a transaction's at once, before anything else about these records. Later statements see the changes that the lock
-- waited for. An UPDATE alone would lock in the order of its plan or of its input, and two of them would deadlock.
SELECT FROM processing_stage_state WHERE record_id = ANY (%(record_ids)s::uuid[]) AND stage = 'canonicalize'
ORDER BY record_id FOR UPDATE;

-- name: start_attempts
-- Attempts are committed before the work, so that a record that kills its environment is found out. A record that
-- another environment left running is not started here: start_suspect tries it alone. One that this environment left
-- running was given back when a dependency failed, and is not counted twice.
WITH asked AS (
    SELECT * FROM unnest(%(record_ids)s::uuid[], %(event_ids)s::uuid[], %(topics)s::text[], %(partitions)s::integer[],
                         %(offsets)s::bigint[])
        AS asked (record_id, event_id, topic, kafka_partition, kafka_offset)
), before AS MATERIALIZED (
    SELECT record_id, state, attempts, environment_id, started_at FROM processing_stage_state
    WHERE stage = 'canonicalize' AND record_id = ANY (%(record_ids)s::uuid[])
), started AS (
    INSERT INTO processing_stage_state AS s (record_id, stage, state, attempts, event_id, environment_id)
    -- in the order of lock_states, which cannot lock what is not there yet
    SELECT record_id, 'canonicalize', 'running', 1, event_id, %(environment_id)s FROM asked ORDER BY record_id
    ON CONFLICT (record_id, stage) DO UPDATE
    SET state = 'running', environment_id = excluded.environment_id, event_id = excluded.event_id,
        attempts = s.attempts + CASE WHEN s.state = 'running' THEN 0 ELSE 1 END,
        started_at = clock_timestamp(), finished_at = NULL
    WHERE s.state = 'failed_retryable' OR (s.state = 'running' AND s.environment_id = excluded.environment_id)
    RETURNING record_id, attempts, started_at
), attempt AS (
    INSERT INTO processing_attempts (record_id, stage, started_at, state, event_id, topic, kafka_partition,
                                     kafka_offset, environment_id)
    SELECT record_id, 'canonicalize', started.started_at, 'running', asked.event_id, asked.topic,
           asked.kafka_partition, asked.kafka_offset, %(environment_id)s
    FROM started JOIN asked USING (record_id)
), left_running AS (
    UPDATE processing_attempts AS a
    SET state = 'given_back', error_code = 'dependency_unavailable', finished_at = clock_timestamp()
    FROM before
    WHERE before.state = 'running' AND before.environment_id = %(environment_id)s AND a.state = 'running'
      AND (a.record_id, a.stage, a.started_at) = (before.record_id, 'canonicalize', before.started_at)
)
SELECT asked.record_id,
       CASE WHEN started.record_id IS NOT NULL THEN 'started'
            WHEN before.state = 'running' THEN 'suspect'
            -- neither in our snapshot nor started: another environment has just begun or ended it
            WHEN before.state IS NULL THEN 'suspect'
            ELSE 'finished' END,
       coalesce(started.attempts, before.attempts, 1),
       coalesce(started.started_at, before.started_at)
FROM asked LEFT JOIN started USING (record_id) LEFT JOIN before USING (record_id);

-- name: start_suspect
-- Starts one record alone, unless another environment has finished it meanwhile.
WITH before AS (
    SELECT record_id, started_at FROM processing_stage_state
    WHERE record_id = %(record_id)s AND stage = 'canonicalize' AND state IN ('running', 'failed_retryable')
    FOR UPDATE
), started AS (
    UPDATE processing_stage_state AS s
    SET state = 'running', attempts = attempts + 1, event_id = %(event_id)s, environment_id = %(environment_id)s,
        started_at = clock_timestamp(), finished_at = NULL
    FROM before WHERE s.record_id = before.record_id AND s.stage = 'canonicalize'
    RETURNING s.attempts, s.started_at
), attempt AS (
    INSERT INTO processing_attempts (record_id, stage, started_at, state, event_id, topic, kafka_partition,
                                     kafka_offset, environment_id)
    SELECT %(record_id)s, 'canonicalize', started_at, 'running', %(event_id)s, %(topic)s, %(partition)s, %(offset)s,
           %(environment_id)s
    FROM started
), abandoned AS (
    UPDATE processing_attempts AS a
    SET state = 'abandoned', error_code = 'environment_died', finished_at = clock_timestamp()
    FROM before
    WHERE (a.record_id, a.stage, a.started_at) = (before.record_id, 'canonicalize', before.started_at)
      AND a.state = 'running'
)
SELECT attempts, started_at FROM started;

-- name: give_back_attempts
-- A dependency failed, not these records: they count as not tried.
WITH given_back AS (
    UPDATE processing_stage_state
    SET state = 'failed_retryable', attempts = greatest(attempts - 1, 0), error_code = 'dependency_unavailable'
    WHERE record_id = ANY (%(record_ids)s::uuid[]) AND stage = 'canonicalize' AND state = 'running'
      AND environment_id = %(environment_id)s
    RETURNING record_id, started_at
)
UPDATE processing_attempts AS a
SET state = 'given_back', error_code = 'dependency_unavailable', finished_at = clock_timestamp()
FROM given_back
WHERE (a.record_id, a.stage, a.started_at) = (given_back.record_id, 'canonicalize', given_back.started_at);

-- name: finish_attempts
-- Writes the outcomes, in the transaction of their effects. A late failure does not change a canonical record.
-- Every record's row has been locked before, even if canonical or erased: an erasure then comes either first, and the
-- last statement sees it, or afterwards, and finds the rows that this transaction wrote.
UPDATE processing_stage_state AS s
SET state = CASE s.state WHEN 'succeeded' THEN s.state ELSE outcome.state END,
    error_code = CASE s.state WHEN 'succeeded' THEN s.error_code ELSE outcome.error_code END,
    finished_at = clock_timestamp()
FROM unnest(%(record_ids)s::uuid[], %(states)s::text[], %(error_codes)s::text[])
    AS outcome (record_id, state, error_code)
WHERE s.record_id = outcome.record_id AND s.stage = 'canonicalize' AND s.state <> 'erased';
UPDATE processing_attempts AS a
SET state = outcome.state, error_code = outcome.error_code, finished_at = clock_timestamp()
FROM unnest(%(record_ids)s::uuid[], %(started_at)s::timestamptz[], %(states)s::text[], %(error_codes)s::text[])
    AS outcome (record_id, started_at, state, error_code)
WHERE (a.record_id, a.stage, a.started_at) = (outcome.record_id, 'canonicalize', outcome.started_at);
UPDATE dead_letters AS d SET state = 'resolved', closed_at = clock_timestamp()
FROM unnest(%(record_ids)s::uuid[], %(states)s::text[]) AS outcome (record_id, state)
WHERE d.record_id = outcome.record_id AND d.closed_at IS NULL AND outcome.state = 'succeeded';
SELECT s.record_id, CASE WHEN tombstones.record_id IS NOT NULL THEN 'erased' ELSE s.state END
FROM processing_stage_state AS s LEFT JOIN tombstones USING (record_id)
WHERE s.record_id = ANY (%(record_ids)s::uuid[]) AND s.stage = 'canonicalize';

-- name: mark_erased
-- Marks attempts whose record was erased while they ran, or before, by a tombstone that outlived the record's state.
UPDATE processing_stage_state SET state = 'erased', error_code = 'erased'
WHERE record_id = ANY (%(record_ids)s::uuid[]) AND stage = 'canonicalize';
UPDATE processing_attempts AS a SET state = 'erased', error_code = 'erased'
FROM unnest(%(record_ids)s::uuid[], %(started_at)s::timestamptz[]) AS erased (record_id, started_at)
WHERE (a.record_id, a.stage, a.started_at) = (erased.record_id, 'canonicalize', erased.started_at);

-- name: bury
-- Writes the ledger's row and the message for the dead-letter topic, once for a delivery however often it comes. A
-- letter that was redriven and fails again is dead again: it stays one letter.
WITH again AS (
    UPDATE dead_letters
    SET state = 'dead', topic = %(topic)s, kafka_partition = %(kafka_partition)s, kafka_offset = %(kafka_offset)s,
        event_id = %(event_id)s, event = %(event)s, event_sha256 = %(event_sha256)s, stage = %(stage)s,
        error_type = %(error_type)s, error_message = %(error_message)s, attempts = %(attempts)s,
        failed_at = %(failed_at)s
    WHERE record_id = %(record_id)s AND closed_at IS NULL
      -- a redriven letter becomes dead again by any delivery, even by its first one delivered again
      AND (state = 'redriven'
           OR (topic, kafka_partition, kafka_offset) <> (%(topic)s, %(kafka_partition)s, %(kafka_offset)s))
    RETURNING dead_letter_id
), dead AS (
    INSERT INTO dead_letters (topic, kafka_partition, kafka_offset, record_id, event_id, event, event_sha256, stage,
                              error_type, error_message, attempts, failed_at)
    SELECT %(topic)s, %(kafka_partition)s, %(kafka_offset)s, %(record_id)s, %(event_id)s, %(event)s, %(event_sha256)s,
           %(stage)s, %(error_type)s, %(error_message)s, %(attempts)s, %(failed_at)s
    WHERE NOT EXISTS (SELECT FROM dead_letters WHERE record_id = %(record_id)s AND closed_at IS NULL)
    ON CONFLICT DO NOTHING
    RETURNING dead_letter_id
)
INSERT INTO outbox_events (shard, topic, key, value)
SELECT %(shard)s, %(dlq_topic)s, %(key)s, %(value)s
FROM (SELECT dead_letter_id FROM again UNION ALL SELECT dead_letter_id FROM dead) AS buried;

-- name: read_lineage
-- One record from raw object to canonical rows, in one query. Everything is found by its record id, waiting events by
-- their shard. A record that was replayed for years has more events and attempts than an answer can hold: the newest
-- are read.
SELECT jsonb_build_object(
    'record_id', record_id,
    'raw_object', (
        SELECT to_jsonb(m) - ARRAY['record_id', 'key_hash'] FROM raw_object_manifest AS m WHERE m.record_id = asked.record_id),
    'events', coalesce((
        SELECT jsonb_agg(to_jsonb(delivered) ORDER BY first_attempt_at) FROM (
            SELECT event_id, topic, kafka_partition AS "partition", kafka_offset AS "offset",
                   min(started_at) AS first_attempt_at, count(*) AS attempts
            FROM processing_attempts AS a WHERE a.record_id = asked.record_id
            GROUP BY event_id, topic, kafka_partition, kafka_offset
            ORDER BY max(started_at) DESC LIMIT %(limit)s) AS delivered), '[]'),
    'events_left_off', (
        SELECT greatest(count(DISTINCT (event_id, topic, kafka_partition, kafka_offset)) - %(limit)s, 0)
        FROM processing_attempts AS a WHERE a.record_id = asked.record_id),
    'waiting_events', coalesce((
        SELECT jsonb_agg(jsonb_build_object('topic', o.topic, 'created_at', o.created_at, 'attempts', o.attempts,
                                            'last_error', o.last_error) ORDER BY o.outbox_id)
        FROM outbox_events AS o
        WHERE o.shard = %(shard)s AND o.published_at IS NULL AND o.key = asked.record_id::text), '[]'),
    'stages', coalesce((
        SELECT jsonb_agg(to_jsonb(s) - ARRAY['record_id', 'environment_id'] ORDER BY s.stage)
        FROM processing_stage_state AS s WHERE s.record_id = asked.record_id), '[]'),
    'attempts', coalesce((
        SELECT jsonb_agg(jsonb_build_object(
            'stage', a.stage, 'state', a.state, 'error_code', a.error_code, 'started_at', a.started_at,
            'finished_at', a.finished_at, 'event_id', a.event_id, 'topic', a.topic, 'partition', a.kafka_partition,
            'offset', a.kafka_offset, 'environment_id', a.environment_id) ORDER BY a.started_at)
        FROM (SELECT * FROM processing_attempts AS every WHERE every.record_id = asked.record_id
              ORDER BY started_at DESC LIMIT %(limit)s) AS a), '[]'),
    'attempts_left_off', (
        SELECT greatest(count(*) - %(limit)s, 0) FROM processing_attempts AS a WHERE a.record_id = asked.record_id),
    'dead_letters', coalesce((
        SELECT jsonb_agg(jsonb_build_object(
            'dead_letter_id', d.dead_letter_id, 'state', d.state, 'reason', d.reason, 'stage', d.stage,
            'error_message', d.error_message, 'failed_at', d.failed_at, 'redrives', d.redrives) ORDER BY d.dead_letter_id)
        FROM dead_letters AS d WHERE d.record_id = asked.record_id), '[]'),
    'canonical', (SELECT to_jsonb(c) - 'record_id' FROM canonical_records AS c WHERE c.record_id = asked.record_id),
    'derived', jsonb_build_object(
        'patient_tokens', (SELECT count(*) FROM patient_tokens AS t WHERE t.record_id = asked.record_id),
        'canonical_encounters', (SELECT count(*) FROM canonical_encounters AS t WHERE t.record_id = asked.record_id),
        'canonical_claims', (SELECT count(*) FROM canonical_claims AS t WHERE t.record_id = asked.record_id),
        'canonical_claim_lines', (SELECT count(*) FROM canonical_claim_lines AS t WHERE t.record_id = asked.record_id),
        'canonical_lab_results', (SELECT count(*) FROM canonical_lab_results AS t WHERE t.record_id = asked.record_id),
        'canonical_lab_observations', (
            SELECT count(*) FROM canonical_lab_observations AS t WHERE t.record_id = asked.record_id)),
    'erased', (
        SELECT jsonb_build_object('erasure_id', t.erasure_id, 'erased_at', t.erased_at, 'raw_deleted_at', t.raw_deleted_at)
        FROM tombstones AS t WHERE t.record_id = asked.record_id))
FROM (SELECT %(record_id)s::uuid AS record_id) AS asked;
