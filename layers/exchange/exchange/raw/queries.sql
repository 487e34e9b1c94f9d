-- name: read_manifest
-- The manifest rows of these records.
SELECT record_id, partner_id, source, route, record_kind, schema_hint, bucket, object_key, sha256, size_bytes,
       correlation_id, occurred_at, raw_deleted_at IS NOT NULL
FROM raw_object_manifest WHERE record_id = ANY (%(record_ids)s);

-- name: read_manifest_between
-- Reads the manifest rows that belong to a page of the bucket: the same folder, the same range of keys.
SELECT record_id, partner_id, source, route, record_kind, schema_hint, bucket, object_key, sha256, size_bytes,
       correlation_id, occurred_at, raw_deleted_at IS NOT NULL
FROM raw_object_manifest
WHERE bucket = %(bucket)s AND object_key > %(after)s AND object_key <= %(upto)s
  AND strpos(substr(object_key, length(%(prefix)s) + 1), '/') = 0;

-- name: read_page_end
-- The key at which a page of the manifest ends within a range of keys: the bucket may have lost thousands of them.
SELECT object_key FROM raw_object_manifest
WHERE bucket = %(bucket)s AND object_key > %(after)s AND object_key <= %(upto)s
  AND strpos(substr(object_key, length(%(prefix)s) + 1), '/') = 0
ORDER BY object_key OFFSET %(limit)s - 1 LIMIT 1;

-- name: read_manifest_sources
-- The sources of which the manifest has objects, by leaps over the index: the bucket may have lost everything of one.
WITH RECURSIVE source (name) AS (
    (SELECT split_part(object_key, '/', 1) FROM raw_object_manifest WHERE bucket = %(bucket)s
     ORDER BY object_key LIMIT 1)
    UNION ALL
    SELECT (SELECT split_part(object_key, '/', 1) FROM raw_object_manifest
            WHERE bucket = %(bucket)s AND object_key > source.name || '/~' ORDER BY object_key LIMIT 1)
    FROM source WHERE source.name IS NOT NULL
)
SELECT name FROM source WHERE name IS NOT NULL;

-- name: read_manifest_folders
-- The hours of a source of which the manifest has objects, by leaps over the index: the bucket may have lost a whole
-- one.
WITH RECURSIVE folder (prefix) AS (
    (SELECT left(object_key, length(%(first)s)) FROM raw_object_manifest
     WHERE bucket = %(bucket)s AND object_key >= %(first)s AND object_key < %(last)s
     ORDER BY object_key LIMIT 1)
    UNION ALL
    SELECT (SELECT left(object_key, length(%(first)s)) FROM raw_object_manifest
            WHERE bucket = %(bucket)s AND object_key > folder.prefix || '/~' AND object_key < %(last)s
            ORDER BY object_key LIMIT 1)
    FROM folder WHERE folder.prefix IS NOT NULL
)
SELECT prefix FROM folder WHERE prefix IS NOT NULL;

-- name: lock_records
-- Takes the locks that ingest and erase take, all in one order: a record that is restored is not erased or sent again
-- meanwhile.
SELECT pg_advisory_xact_lock(lock_id) FROM (
    SELECT lock_id FROM unnest(%(lock_ids)s::bigint[]) AS asked (lock_id) ORDER BY lock_id
) AS in_order;

-- name: restore_manifest
-- Writes rows made from the bucket. An erased record does not come back; the first object of a record stands for it.
-- The audit log names the job that restored a row; without a job, reconcile audits its repairs and their reasons.
WITH restored AS (
    INSERT INTO raw_object_manifest (record_id, partner_id, source, route, record_kind, schema_hint, bucket, object_key,
                                     sha256, size_bytes, correlation_id, occurred_at, key_hash)
    SELECT lost.* FROM jsonb_to_recordset(%(rows)s) AS lost
        (record_id uuid, partner_id text, source text, route text, record_kind text, schema_hint text, bucket text,
         object_key text, sha256 text, size_bytes integer, correlation_id text, occurred_at timestamptz, key_hash text)
    WHERE NOT EXISTS (SELECT FROM tombstones WHERE tombstones.record_id = lost.record_id)
    ON CONFLICT DO NOTHING
    RETURNING record_id, partner_id, route
), audit AS (
    INSERT INTO audit_log (action, outcome, status, route, partner_id, record_id, correlation_id)
    SELECT 'replay', 'restored', 200, route, partner_id, record_id, %(job_id)s::text
    FROM restored WHERE %(job_id)s::text IS NOT NULL
)
SELECT record_id FROM restored;

-- name: emit
-- Sends events again, except of erased records. A record whose canonical row was lost starts again at the first
-- attempt.
WITH event AS (
    SELECT * FROM unnest(%(shards)s::smallint[], %(topics)s::text[], %(record_ids)s::uuid[], %(values)s::bytea[])
        WITH ORDINALITY AS event (shard, topic, record_id, value, ordinal)
    WHERE NOT EXISTS (SELECT FROM tombstones WHERE tombstones.record_id = event.record_id)
), reopened AS (
    UPDATE processing_stage_state AS state
    SET state = 'failed_retryable', attempts = 0, error_code = 'canonical_row_lost', finished_at = clock_timestamp()
    FROM event
    WHERE state.record_id = event.record_id AND state.stage = 'canonicalize' AND state.state = 'succeeded'
      AND NOT EXISTS (SELECT FROM canonical_records WHERE canonical_records.record_id = event.record_id)
)
INSERT INTO outbox_events (shard, topic, key, value)
SELECT shard, topic, record_id::text, value FROM event ORDER BY ordinal
RETURNING key;
