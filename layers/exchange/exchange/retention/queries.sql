-- name: read_retention
-- The retention of each source's raw objects.
SELECT source, partner_id, raw_retention_days FROM partner_sources JOIN partners USING (partner_id) ORDER BY source;

-- name: retire_raw_objects
-- Marks rows before the objects are deleted: a run that dies in between finds the objects again, while a row that says
-- "deleted" too late would be wrong. Returns the records whose objects stay: accepted and not canonical, the object is
-- all that exists of them. A copy is deleted before its record's own object, and says nothing about it.
WITH retired AS (
    UPDATE raw_object_manifest SET raw_deleted_at = clock_timestamp()
    WHERE record_id IN (SELECT record_id FROM raw_object_manifest
                        WHERE record_id = ANY (%(record_ids)s::uuid[]) AND object_key = ANY (%(object_keys)s)
                          AND raw_deleted_at IS NULL
                        ORDER BY record_id FOR UPDATE)
      AND EXISTS (SELECT FROM canonical_records WHERE canonical_records.record_id = raw_object_manifest.record_id)
    RETURNING record_id
)
INSERT INTO audit_log (action, outcome, status, route, partner_id, record_id, correlation_id)
SELECT 'retain', 'raw_deleted', 200, 'retain', %(partner_id)s, record_id, %(request_id)s FROM retired;
SELECT record_id FROM raw_object_manifest
WHERE record_id = ANY (%(record_ids)s::uuid[]) AND raw_deleted_at IS NULL
  AND (object_key = ANY (%(object_keys)s)
       OR NOT EXISTS (SELECT FROM canonical_records WHERE canonical_records.record_id = raw_object_manifest.record_id));

-- name: prune_idempotency_keys
-- Deletes a page at a time, so that no run holds locks for long, and skips rows that are locked, as every pruning does:
-- they are deleted next time. An expired key that is in use again by now is kept.
DELETE FROM idempotency_keys
WHERE key_hash IN (SELECT key_hash FROM idempotency_keys WHERE expires_at < clock_timestamp()
                   ORDER BY expires_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
RETURNING 1;

-- name: prune_attempts
-- Deletes the oldest first, by their index. The state of each record is in processing_stage_state and stays.
DELETE FROM processing_attempts
WHERE (record_id, stage, started_at) IN (
    SELECT record_id, stage, started_at FROM processing_attempts
    WHERE started_at < clock_timestamp() - make_interval(days => %(days)s) ORDER BY started_at LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED)
RETURNING 1;

-- name: prune_dead_letters
-- Deletes closed letters; an open one waits for an operator, however long.
DELETE FROM dead_letters
WHERE dead_letter_id IN (SELECT dead_letter_id FROM dead_letters
                         WHERE closed_at < clock_timestamp() - make_interval(days => %(days)s) LIMIT %(limit)s
                         FOR UPDATE SKIP LOCKED)
RETURNING 1;
