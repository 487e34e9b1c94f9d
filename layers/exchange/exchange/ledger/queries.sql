-- name: start_attempts
-- Attempts are committed before the work, so that a record that kills its environment is found out.
-- A record left running by another environment is not started here: it goes alone, by start_suspect. One left running
-- by this very environment was given back when a dependency failed, and is not counted twice.
WITH asked AS (
    SELECT * FROM unnest(%(record_ids)s::uuid[], %(event_ids)s::uuid[]) AS asked (record_id, event_id)
), before AS MATERIALIZED (
    SELECT record_id, state, attempts FROM processing_stage_state
    WHERE stage = 'canonicalize' AND record_id = ANY (%(record_ids)s::uuid[])
), started AS (
    INSERT INTO processing_stage_state AS s (record_id, stage, state, attempts, event_id, environment_id)
    SELECT record_id, 'canonicalize', 'running', 1, event_id, %(environment_id)s FROM asked
    ON CONFLICT (record_id, stage) DO UPDATE
    SET state = 'running', environment_id = excluded.environment_id, event_id = excluded.event_id,
        attempts = s.attempts + CASE WHEN s.state = 'running' THEN 0 ELSE 1 END,
        started_at = clock_timestamp(), finished_at = NULL
    WHERE s.state = 'failed_retryable' OR (s.state = 'running' AND s.environment_id = excluded.environment_id)
    RETURNING record_id, attempts
)
SELECT asked.record_id,
       CASE WHEN started.record_id IS NOT NULL THEN 'started'
            WHEN before.state = 'running' THEN 'suspect'
            -- not seen by our snapshot and not started: another environment has just begun or ended it
            WHEN before.state IS NULL THEN 'suspect'
            ELSE 'finished' END,
       coalesce(started.attempts, before.attempts, 1)
FROM asked LEFT JOIN started USING (record_id) LEFT JOIN before USING (record_id);

-- name: start_suspect
-- One record alone; nothing is started when it was finished by another environment in the meantime.
UPDATE processing_stage_state
SET state = 'running', attempts = attempts + 1, environment_id = %(environment_id)s,
    started_at = clock_timestamp(), finished_at = NULL
WHERE record_id = %(record_id)s AND stage = 'canonicalize' AND state IN ('running', 'failed_retryable')
RETURNING attempts;

-- name: give_back_attempts
-- A dependency failed, not these records: as if they had not been tried.
UPDATE processing_stage_state
SET state = 'failed_retryable', attempts = greatest(attempts - 1, 0), error_code = 'dependency_unavailable'
WHERE record_id = ANY (%(record_ids)s::uuid[]) AND stage = 'canonicalize' AND state = 'running'
  AND environment_id = %(environment_id)s;

-- name: finish_attempts
-- The outcome, in the transaction of its effect; a record that is canonical stays so whatever a late twin says.
UPDATE processing_stage_state AS s
SET state = outcome.state, error_code = outcome.error_code, finished_at = clock_timestamp()
FROM unnest(%(record_ids)s::uuid[], %(states)s::text[], %(error_codes)s::text[])
    AS outcome (record_id, state, error_code)
WHERE s.record_id = outcome.record_id AND s.stage = 'canonicalize' AND s.state <> 'succeeded';

-- name: bury
-- The ledger's row and the message for the dead-letter topic, once for a delivery however often it comes.
WITH dead AS (
    INSERT INTO dead_letters (topic, kafka_partition, kafka_offset, record_id, event_id, stage, error_type,
                              error_message, attempts, failed_at)
    VALUES (%(topic)s, %(kafka_partition)s, %(kafka_offset)s, %(record_id)s, %(event_id)s, %(stage)s,
            %(error_type)s, %(error_message)s, %(attempts)s, %(failed_at)s)
    ON CONFLICT (topic, kafka_partition, kafka_offset) DO NOTHING
    RETURNING dead_letter_id
)
INSERT INTO outbox_events (shard, topic, key, value)
SELECT %(shard)s, %(dlq_topic)s, %(key)s, %(value)s FROM dead;
