-- name: read_reasons
-- Open letters by class, the largest class first.
SELECT reason, stage, error_type, max(error_message), count(*), count(*) FILTER (WHERE state = 'redriven'),
       count(record_id), count(refusal), max(redrives), min(failed_at), max(failed_at)
FROM dead_letters WHERE closed_at IS NULL
GROUP BY reason, stage, error_type ORDER BY count(*) DESC, reason;

-- name: read_letters
-- Open letters one by one. The manifest tells whose record it is; the event's bytes are not read.
SELECT dead_letter_id, reason, state, record_id, partner_id, record_kind, stage, error_message, attempts, redrives,
       refusal, failed_at
FROM dead_letters LEFT JOIN raw_object_manifest USING (record_id)
WHERE closed_at IS NULL AND (%(reason)s::text IS NULL OR reason = %(reason)s) AND dead_letter_id > %(after)s
ORDER BY dead_letter_id LIMIT %(limit)s;

-- name: read_letter
-- Reads one letter, open or closed, without its event.
SELECT dead_letter_id, reason, state, record_id, event_id, partner_id, source, record_kind, schema_hint, topic,
       kafka_partition, kafka_offset, event_sha256, stage, error_type, error_message, attempts, failed_at, redrives,
       redriven_at, refusal, refused_at, closed_at, event IS NOT NULL AS has_event
FROM dead_letters LEFT JOIN raw_object_manifest USING (record_id)
WHERE dead_letter_id = %(dead_letter_id)s;

-- name: count_waiting
-- Letters that a redrive begun at `as_of` has not reached yet. A letter that died again or was refused since then is
-- left alone, or a hopeless one would be sent again as long as the run lasts.
SELECT count(*) FROM dead_letters
WHERE state = 'dead' AND greatest(redriven_at, refused_at, '-infinity') < %(as_of)s
  AND (%(dead_letter_ids)s::bigint[] IS NULL OR dead_letter_id = ANY (%(dead_letter_ids)s::bigint[]))
  AND (%(reason)s::text IS NULL OR reason = %(reason)s);

-- name: read_waiting
-- The next of these letters, whether their events' bytes are stored, and whether the ledger calls their records dead.
SELECT d.dead_letter_id, d.record_id, d.topic, d.event IS NOT NULL, s.state IS NOT DISTINCT FROM 'dlq', d.failed_at
FROM dead_letters AS d
LEFT JOIN processing_stage_state AS s ON s.record_id = d.record_id AND s.stage = 'canonicalize'
WHERE d.state = 'dead' AND greatest(d.redriven_at, d.refused_at, '-infinity') < %(as_of)s
  AND (%(dead_letter_ids)s::bigint[] IS NULL OR d.dead_letter_id = ANY (%(dead_letter_ids)s::bigint[]))
  AND (%(reason)s::text IS NULL OR d.reason = %(reason)s)
ORDER BY d.dead_letter_id LIMIT %(limit)s;

-- name: take_letters
-- Locks records before letters, as settling does, and skips locked records: the next page reads their
-- letters again.
SELECT d.dead_letter_id, d.record_id, d.topic, d.event
FROM dead_letters AS d
JOIN processing_stage_state AS s ON s.record_id = d.record_id AND s.stage = 'canonicalize' AND s.state = 'dlq'
WHERE d.state = 'dead' AND d.dead_letter_id = ANY (%(dead_letter_ids)s::bigint[])
  AND NOT EXISTS (SELECT FROM tombstones WHERE tombstones.record_id = d.record_id)
ORDER BY d.dead_letter_id FOR UPDATE OF s SKIP LOCKED;

-- name: redrive
-- Sends the events again, gives their records five attempts again, and audits who asked and why, by the request's id
-- and the case.
UPDATE dead_letters
SET state = 'redriven', redrives = redrives + 1, redriven_at = clock_timestamp(), refusal = NULL, refused_at = NULL
WHERE dead_letter_id = ANY (%(dead_letter_ids)s);
UPDATE processing_stage_state SET state = 'failed_retryable', attempts = 0, error_code = 'redriven'
WHERE record_id = ANY (%(record_ids)s::uuid[]) AND stage = 'canonicalize';
INSERT INTO audit_log (action, outcome, status, route, partner_id, record_id, correlation_id, case_ref)
SELECT 'redrive', 'redriven', 200, 'redrive', partner_id, record_id, %(request_id)s, %(case_ref)s
FROM unnest(%(record_ids)s::uuid[]) AS redriven (record_id) LEFT JOIN raw_object_manifest USING (record_id);
INSERT INTO outbox_events (shard, topic, key, value)
SELECT shard, topic, key, value
FROM unnest(%(shards)s::smallint[], %(topics)s::text[], %(keys)s::text[], %(values)s::bytea[])
    AS event (shard, topic, key, value);

-- name: refuse
-- Notes why a letter was not sent again, on the letter and in the audit log. Must not wait for a lock, since it locks
-- no record first.
WITH refused AS (
    UPDATE dead_letters AS d SET refusal = asked.refusal, refused_at = clock_timestamp()
    FROM unnest(%(dead_letter_ids)s::bigint[], %(refusals)s::text[]) AS asked (dead_letter_id, refusal)
    WHERE d.dead_letter_id = asked.dead_letter_id AND d.dead_letter_id IN (
        SELECT dead_letter_id FROM dead_letters
        WHERE dead_letter_id = ANY (%(dead_letter_ids)s::bigint[]) AND state = 'dead' FOR UPDATE SKIP LOCKED)
    RETURNING d.dead_letter_id, d.record_id, d.refusal
), audit AS (
    INSERT INTO audit_log (action, outcome, status, route, partner_id, record_id, correlation_id, case_ref)
    SELECT 'redrive', refusal, 409, 'redrive', partner_id, record_id, %(request_id)s, %(case_ref)s
    FROM refused LEFT JOIN raw_object_manifest USING (record_id)
)
SELECT dead_letter_id, record_id, refusal FROM refused ORDER BY dead_letter_id;

-- name: read_now
-- The database's clock, from which redriven_at comes.
SELECT clock_timestamp();
