-- name: take_shards
-- Takes whole shards that have events to publish and that no other publisher holds; keeps them until commit.
WITH waiting AS MATERIALIZED (
    SELECT candidate.shard FROM generate_series(0, 15) AS candidate (shard)
    WHERE EXISTS (SELECT FROM outbox_events
                  WHERE outbox_events.shard = candidate.shard AND published_at IS NULL)
)
SELECT shard FROM waiting WHERE pg_try_advisory_xact_lock(%(lock_class)s, shard);

-- name: read_pending
-- A statement of its own: the snapshot has to be younger than the locks, or rows just published would come again. By
-- shard, so that the partial index gives them in order and a long backlog costs no more than a short one.
SELECT pending.outbox_id, pending.topic, pending.key, pending.value
FROM unnest(%(shards)s::smallint[]) AS taken (shard)
CROSS JOIN LATERAL (
    SELECT outbox_id, topic, key, value FROM outbox_events
    WHERE outbox_events.shard = taken.shard AND published_at IS NULL
    ORDER BY outbox_id LIMIT %(rows_per_shard)s
) AS pending
ORDER BY pending.outbox_id;

-- name: mark_outcomes
-- Acknowledged events wait to be pruned; the others stay pending, with the number of tries and the broker's last error
-- for the operator. Locks in one order: an erasure may want some of them.
SELECT FROM outbox_events WHERE outbox_id = ANY (%(outbox_ids)s) ORDER BY outbox_id FOR UPDATE;
UPDATE outbox_events AS event
SET published_at = CASE WHEN outcome.error IS NULL THEN clock_timestamp() END, attempts = attempts + 1,
    last_error = outcome.error
FROM unnest(%(outbox_ids)s, %(errors)s::text[]) AS outcome (outbox_id, error)
WHERE event.outbox_id = outcome.outbox_id;

-- name: count_outcomes
-- One row for each environment; readers sum them.
INSERT INTO counters AS counter (environment_id, metric, labels, value)
VALUES (%(environment_id)s, 'outbox_published_total', '', %(published)s),
       (%(environment_id)s, 'outbox_publish_failures_total', '', %(failed)s)
ON CONFLICT (environment_id, metric, labels) DO UPDATE SET value = counter.value + excluded.value;

-- name: read_backlog
-- The number of waiting events and the age of the oldest, for the alarm of a publisher that has stopped.
SELECT count(*), coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0)::float
FROM outbox_events WHERE published_at IS NULL;

-- name: prune_published
-- Deletes a page at a time, so that no run holds locks for long.
DELETE FROM outbox_events WHERE outbox_id IN (
    SELECT outbox_id FROM outbox_events
    WHERE published_at < clock_timestamp() - make_interval(hours => %(retention_hours)s)
    ORDER BY published_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
) RETURNING outbox_id;
