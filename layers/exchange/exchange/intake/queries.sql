-- name: lock_and_read_answer
-- Two statements: in one, the snapshot would be older than the locks and miss what their last holder wrote. The second
-- lock is the record's, which erase takes. An erased record is recognized by its key and by its own id; the manifest
-- knows the first answer to a key whose row has been pruned.
SELECT pg_advisory_xact_lock(%(lock_id)s), pg_advisory_xact_lock(%(record_lock_id)s);
SELECT EXISTS (SELECT FROM tombstones WHERE key_hash = %(key_hash)s)
           OR EXISTS (SELECT FROM tombstones WHERE record_id = %(record_id)s) AS erased,
       correlation_id, body_hash, response, expires_at <= clock_timestamp() AS expired
FROM (SELECT %(record_id)s::uuid AS record_id, %(key_hash)s AS key_hash) AS asked
LEFT JOIN idempotency_keys USING (key_hash) LEFT JOIN raw_object_manifest USING (record_id);

-- name: keep_answer
-- An expired key may be used again with another body; until the commit, the lock keeps others away from this row.
INSERT INTO idempotency_keys (key_hash, partner_id, route, body_hash, response, expires_at)
VALUES (%(key_hash)s, %(partner_id)s, %(route)s, %(body_hash)s, %(response)s,
        clock_timestamp() + make_interval(secs => %(expires_after_seconds)s))
ON CONFLICT (key_hash) DO UPDATE SET body_hash = excluded.body_hash, response = excluded.response,
    created_at = excluded.created_at, expires_at = excluded.expires_at;

-- name: accept_submission
-- One statement in one round trip: the record, its event, its audit row and its count appear together or not at all.
WITH manifest AS (
    INSERT INTO raw_object_manifest (record_id, partner_id, source, route, record_kind, schema_hint, bucket,
                                     object_key, sha256, size_bytes, correlation_id, occurred_at, key_hash)
    VALUES (%(record_id)s, %(partner_id)s, %(source)s, %(route)s, %(record_kind)s, %(schema_hint)s, %(bucket)s,
            %(object_key)s, %(sha256)s, %(size_bytes)s, %(correlation_id)s, %(occurred_at)s, %(key_hash)s)
    -- nobody else can have stored it since the lookup, since this transaction holds the lock
    ON CONFLICT (record_id) DO NOTHING
    RETURNING record_id
), event AS (
    INSERT INTO outbox_events (shard, topic, key, value)
    SELECT %(shard)s, %(topic)s, %(key)s, %(value)s FROM manifest
), audit AS (
    INSERT INTO audit_log (action, outcome, status, route, partner_id, record_id, correlation_id)
    VALUES ('ingest', 'accepted', 202, %(route)s, %(partner_id)s, %(record_id)s, %(correlation_id)s)
)
INSERT INTO counters AS counter (environment_id, metric, labels, value)
VALUES (%(environment_id)s, 'ingest_requests_total', %(labels)s, 1)
ON CONFLICT (environment_id, metric, labels) DO UPDATE SET value = counter.value + 1;

-- name: audit_answer
-- A refused or repeated request changes nothing but the audit log and the count.
WITH audit AS (
    INSERT INTO audit_log (action, outcome, status, route, partner_id, record_id, correlation_id)
    VALUES ('ingest', %(outcome)s, %(status)s, %(route)s, %(partner_id)s, %(record_id)s, %(correlation_id)s)
)
INSERT INTO counters AS counter (environment_id, metric, labels, value)
VALUES (%(environment_id)s, 'ingest_requests_total', %(labels)s, 1)
ON CONFLICT (environment_id, metric, labels) DO UPDATE SET value = counter.value + 1;

-- name: read_series
-- Everything that /metrics shows: the counters of all environments, and the outbox's backlog by its partial index.
SELECT metric, labels, sum(value)::bigint FROM counters GROUP BY metric, labels
UNION ALL
SELECT 'outbox_pending', '', count(*) FROM outbox_events WHERE published_at IS NULL
UNION ALL
SELECT 'outbox_oldest_age_seconds', '', coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0)::bigint
FROM outbox_events WHERE published_at IS NULL
ORDER BY 1, 2;

-- name: count
-- Adds to a counter in this environment's own row.
INSERT INTO counters AS counter (environment_id, metric, labels, value)
VALUES (%(environment_id)s, %(metric)s, %(labels)s, %(value)s)
ON CONFLICT (environment_id, metric, labels) DO UPDATE SET value = counter.value + excluded.value;
