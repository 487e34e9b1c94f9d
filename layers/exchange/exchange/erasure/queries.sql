-- name: lock_record
-- Takes the lock that ingest takes before it looks for the record: nobody stores it again between this look and the
-- commit. Two statements: in one, the snapshot would be older than the lock.
SELECT pg_advisory_xact_lock(%(lock_id)s);
SELECT coalesce(m.partner_id, t.partner_id), m.route, coalesce(m.bucket, t.bucket),
       coalesce(m.object_key, t.object_key), m.key_hash, t.erasure_id,
       m.record_id IS NOT NULL OR EXISTS (SELECT FROM canonical_records WHERE record_id = %(record_id)s)
FROM (SELECT %(record_id)s::uuid AS record_id) AS asked
LEFT JOIN raw_object_manifest AS m USING (record_id) LEFT JOIN tombstones AS t USING (record_id);

-- name: stop_processing
-- Takes the lock that normalize's outcome takes: its rows are there by now and are deleted, or never come. A running
-- attempt may be one whose environment died, and ends here.
INSERT INTO processing_stage_state (record_id, stage, state, attempts, event_id, environment_id, error_code, finished_at)
VALUES (%(record_id)s, 'canonicalize', 'erased', 0, %(event_id)s, %(environment_id)s, 'erased', clock_timestamp())
ON CONFLICT (record_id, stage) DO UPDATE
SET state = 'erased', error_code = 'erased', finished_at = excluded.finished_at;
UPDATE processing_attempts SET state = 'erased', error_code = 'erased', finished_at = clock_timestamp()
WHERE record_id = %(record_id)s AND stage = 'canonicalize' AND state = 'running';

-- name: erase
-- Deletes every row that holds something of the record, and writes the tombstone that keeps them away. A statement of
-- its own: the snapshot has to be younger than the locks. Children are deleted by cascade, so they are counted before.
-- An existing tombstone stays, and counts what a backup had brought back.
WITH children AS (
    SELECT jsonb_build_object(
        'patient_tokens', (SELECT count(*) FROM patient_tokens WHERE record_id = %(record_id)s),
        'canonical_encounters', (SELECT count(*) FROM canonical_encounters WHERE record_id = %(record_id)s),
        'canonical_claims', (SELECT count(*) FROM canonical_claims WHERE record_id = %(record_id)s),
        'canonical_claim_lines', (SELECT count(*) FROM canonical_claim_lines WHERE record_id = %(record_id)s),
        'canonical_lab_results', (SELECT count(*) FROM canonical_lab_results WHERE record_id = %(record_id)s),
        'canonical_lab_observations', (
            SELECT count(*) FROM canonical_lab_observations WHERE record_id = %(record_id)s)) AS counted
), canonical AS (
    DELETE FROM canonical_records WHERE record_id = %(record_id)s RETURNING 1
), manifest AS (
    DELETE FROM raw_object_manifest WHERE record_id = %(record_id)s RETURNING 1
), answers AS (
    -- the key's row, unless the key had expired and belongs to another record now
    DELETE FROM idempotency_keys
    WHERE key_hash = %(key_hash)s AND response::jsonb ->> 'record_id' = %(record_id)s::text
    RETURNING key_hash
), events AS (
    -- locked in the order in which outbox-publish marks events
    DELETE FROM outbox_events WHERE outbox_id IN (
        SELECT outbox_id FROM outbox_events
        WHERE shard = %(shard)s AND published_at IS NULL AND key = %(record_id)s::text ORDER BY outbox_id FOR UPDATE)
    RETURNING 1
), letters AS (
    UPDATE dead_letters
    SET event = NULL, state = 'erased', closed_at = coalesce(closed_at, clock_timestamp())
    WHERE record_id = %(record_id)s RETURNING 1
), audit AS (
    INSERT INTO audit_log (action, outcome, status, route, partner_id, record_id, correlation_id, case_ref)
    VALUES ('erase', 'erased', 200, 'erase', %(partner_id)s, %(record_id)s, %(request_id)s, %(case_ref)s)
)
INSERT INTO tombstones (record_id, erasure_id, partner_id, key_hash, bucket, object_key, deleted_rows)
-- The key stays the record's even if its row was pruned or lost, unless another record has used it since.
SELECT %(record_id)s, %(erasure_id)s, %(partner_id)s,
       CASE WHEN NOT EXISTS (SELECT FROM idempotency_keys WHERE key_hash = %(key_hash)s
                             AND response::jsonb ->> 'record_id' <> %(record_id)s::text)
             AND NOT EXISTS (SELECT FROM tombstones WHERE key_hash = %(key_hash)s) THEN %(key_hash)s END,
       %(bucket)s, %(object_key)s,
       counted || jsonb_build_object(
           'canonical_records', (SELECT count(*) FROM canonical),
           'raw_object_manifest', (SELECT count(*) FROM manifest),
           'idempotency_keys', (SELECT count(*) FROM answers),
           'outbox_events', (SELECT count(*) FROM events),
           'dead_letters', (SELECT count(*) FROM letters))
FROM children
ON CONFLICT (record_id) DO UPDATE SET deleted_rows = (
    SELECT jsonb_object_agg(name, again::integer + coalesce((tombstones.deleted_rows ->> name)::integer, 0))
    FROM jsonb_each_text(excluded.deleted_rows) AS counted (name, again));

-- name: mark_raw_deleted
-- Every version in the bucket has been asked for; the erasure of this record is complete. Marks once: retain, or the
-- same erasure asked for again, may have deleted the same versions at the same time, and counts them, too.
UPDATE tombstones
SET raw_deleted_at = clock_timestamp(), deleted_object_versions = deleted_object_versions + %(versions)s
WHERE record_id = %(record_id)s AND raw_deleted_at IS NULL;

-- name: mark_raw_deleted_again
-- An object that had come back by hand is deleted again; the audit log names this erasure, too.
WITH marked AS (
    UPDATE tombstones
    SET raw_deleted_at = clock_timestamp(), deleted_object_versions = deleted_object_versions + %(versions)s
    WHERE record_id = %(record_id)s RETURNING record_id, partner_id
)
INSERT INTO audit_log (action, outcome, status, route, partner_id, record_id, correlation_id, case_ref)
SELECT 'erase', 'raw_deleted', 200, 'erase', partner_id, record_id, %(request_id)s, %(case_ref)s FROM marked;

-- name: read_pending
-- Records that are erased in the database and not yet in the bucket: a function died, or the bucket was away.
SELECT record_id, bucket, object_key FROM tombstones
WHERE raw_deleted_at IS NULL AND (%(erasure_id)s::uuid IS NULL OR erasure_id = %(erasure_id)s::uuid)
ORDER BY erased_at LIMIT %(limit)s;

-- name: find_records
-- A person's records at a partner, by the person's tokens.
SELECT record_id FROM patient_tokens JOIN canonical_records USING (record_id)
WHERE partner_id = %(partner_id)s AND profile = %(profile)s AND token = ANY (%(tokens)s)
GROUP BY record_id ORDER BY record_id;

-- name: find_known
-- Known record ids, so that a misspelt one does not look like one that would be erased.
SELECT record_id FROM raw_object_manifest WHERE record_id = ANY (%(record_ids)s)
UNION SELECT record_id FROM tombstones WHERE record_id = ANY (%(record_ids)s);

-- name: count_others
-- The other records of an erasure, which may have a limited number; a record asked for again counts once.
SELECT count(*) FROM tombstones
WHERE erasure_id = %(erasure_id)s::uuid AND record_id <> ALL (%(record_ids)s::uuid[]);

-- name: read_erasure
-- The stored facts that a receipt is computed from.
SELECT record_id, partner_id, deleted_rows, deleted_object_versions, erased_at, raw_deleted_at
FROM tombstones WHERE erasure_id = %(erasure_id)s::uuid ORDER BY record_id;

-- name: partner_exists
-- A misspelt partner has no records, which must not look like success.
SELECT count(*) FROM partners WHERE partner_id = %(partner_id)s;
