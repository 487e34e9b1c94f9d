-- name: start_job
-- Writes the job and a checkpoint for each shard, with one second of its rate in advance.
WITH job AS (
    INSERT INTO job_runs (job_id, job, request, shards) VALUES (%(job_id)s, %(job)s, %(request)s, %(shards)s)
    RETURNING job_id
)
INSERT INTO job_checkpoints (job_id, shard, paid_until)
SELECT job_id, shard, clock_timestamp() - interval '1 second'
FROM job CROSS JOIN generate_series(0, %(shards)s - 1) AS shard;

-- name: read_checkpoint
-- The position of a shard, and how much of its rate has accumulated, a minute at most.
SELECT job.request, job.shards, job.state, job.started_at, checkpoint.cursor, checkpoint.counts, checkpoint.progress,
       checkpoint.finished_at IS NOT NULL,
       least(extract(epoch FROM clock_timestamp() - checkpoint.paid_until), 60)::float
FROM job_runs AS job JOIN job_checkpoints AS checkpoint USING (job_id)
WHERE job_id = %(job_id)s AND job = %(job)s AND shard = %(shard)s;

-- name: save_checkpoint
-- Runs in the transaction of the page's effects. Returns no row if another invoke has continued the shard or the job
-- was cancelled: then nothing takes effect.
UPDATE job_checkpoints
SET cursor = %(cursor)s, counts = %(counts)s, progress = %(progress)s, updated_at = clock_timestamp(),
    paid_until = greatest(paid_until, clock_timestamp() - interval '60 seconds')
                 + make_interval(secs => %(paid_seconds)s)
WHERE job_id = %(job_id)s AND shard = %(shard)s AND cursor IS NOT DISTINCT FROM %(expected)s AND finished_at IS NULL
  AND EXISTS (SELECT FROM job_runs WHERE job_id = %(job_id)s AND state = 'running')
RETURNING shard;

-- name: finish_unless_last
-- Under the lock of finish_shard: of two last shards that end at the same time exactly one is the last.
SELECT FROM job_runs WHERE job_id = %(job_id)s FOR UPDATE;
UPDATE job_checkpoints SET finished_at = clock_timestamp(), updated_at = clock_timestamp(), progress = 1
WHERE job_id = %(job_id)s AND shard = %(shard)s AND finished_at IS NULL
  AND EXISTS (SELECT FROM job_checkpoints AS other
              WHERE other.job_id = %(job_id)s AND other.shard <> %(shard)s AND other.finished_at IS NULL);
SELECT NOT EXISTS (SELECT FROM job_checkpoints
                   WHERE job_id = %(job_id)s AND shard <> %(shard)s AND finished_at IS NULL);

-- name: finish_shard
-- Finishes the shard, and with the last one the job. Locks the job's row first: two last shards that end at the same
-- time would each see the other unfinished, and the job would never end.
SELECT FROM job_runs WHERE job_id = %(job_id)s FOR UPDATE;
UPDATE job_checkpoints SET finished_at = clock_timestamp(), updated_at = clock_timestamp(), progress = 1
WHERE job_id = %(job_id)s AND shard = %(shard)s AND finished_at IS NULL;
UPDATE job_runs SET state = 'succeeded', finished_at = clock_timestamp()
WHERE job_id = %(job_id)s AND state = 'running'
  AND NOT EXISTS (SELECT FROM job_checkpoints WHERE job_id = %(job_id)s AND finished_at IS NULL);

-- name: cancel_job
-- Ends a job, so that nobody continues it.
UPDATE job_runs SET state = 'cancelled', finished_at = clock_timestamp()
WHERE job_id = %(job_id)s AND job = %(job)s AND state = 'running' RETURNING job_id;

-- name: read_left_shards
-- Reads shards that were begun and not worked on for a minute: their function or their operator has gone.
SELECT job_id, shard FROM job_runs JOIN job_checkpoints USING (job_id)
WHERE job = %(job)s AND state = 'running' AND job_checkpoints.finished_at IS NULL
  AND coalesce(request ->> 'mode', 'emit') = 'emit' AND updated_at < clock_timestamp() - interval '1 minute'
ORDER BY started_at, shard;

-- name: prune_jobs
-- Jobs are kept for a month. A locked one is left for the next time.
DELETE FROM job_runs WHERE job_id IN (
    SELECT job_id FROM job_runs WHERE job = %(job)s AND started_at < clock_timestamp() - interval '30 days'
    FOR UPDATE SKIP LOCKED);

-- name: read_last_window
-- The time up to which complete runs over all sources have looked without a gap, less what was still under way then. A
-- run cannot have looked at records that came after its start, even if it was asked for them.
SELECT least((job.request ->> 'until')::timestamptz, job.started_at,
             to_timestamp(min((counts ->> 'in_flight_since')::float)))
FROM job_runs AS job JOIN job_checkpoints USING (job_id)
WHERE job.job = %(job)s AND job.state = 'succeeded'
  AND coalesce(job.request ->> 'source', job.request ->> 'prefix') IS NULL
  AND NOT coalesce((job.request ->> 'leaves_gap')::boolean, false)
GROUP BY job.job_id ORDER BY least((job.request ->> 'until')::timestamptz, job.started_at) DESC LIMIT 1;

-- name: read_first_attempt
-- The beginning of the ledger: before it there is nothing to look for.
SELECT min(started_at) FROM processing_attempts;

-- name: read_unknown_canonical
-- Canonical records of a slice of time that the manifest does not know.
SELECT DISTINCT record_id FROM processing_attempts
WHERE started_at >= %(since)s AND started_at < %(until)s
  AND EXISTS (SELECT FROM canonical_records WHERE canonical_records.record_id = processing_attempts.record_id)
  AND NOT EXISTS (SELECT FROM raw_object_manifest WHERE raw_object_manifest.record_id = processing_attempts.record_id)
  -- an open finding says that the object is there
  AND NOT EXISTS (SELECT FROM reconcile_findings AS known
                  WHERE known.record_id = processing_attempts.record_id
                    AND known.finding = 'canonical_missing_manifest' AND known.resolved_at IS NULL);

-- name: read_record_states
-- The state of these records by all tables; the last event is looked for only where it matters.
SELECT asked.record_id, canonical.record_id IS NOT NULL, state.state,
       extract(epoch FROM clock_timestamp() - coalesce(state.finished_at, state.started_at))::float,
       extract(epoch FROM clock_timestamp() - tombstone.erased_at)::float,
       event.outbox_id IS NOT NULL, event.published_at IS NOT NULL,
       extract(epoch FROM clock_timestamp() - coalesce(event.published_at, event.created_at))::float
FROM unnest(%(record_ids)s) AS asked (record_id)
LEFT JOIN canonical_records AS canonical ON canonical.record_id = asked.record_id
LEFT JOIN processing_stage_state AS state ON state.record_id = asked.record_id AND state.stage = 'canonicalize'
LEFT JOIN tombstones AS tombstone ON tombstone.record_id = asked.record_id
LEFT JOIN LATERAL (
    SELECT outbox_id, created_at, published_at FROM outbox_events
    WHERE key = asked.record_id::text AND topic = ANY (%(topics)s) ORDER BY outbox_id DESC LIMIT 1
) AS event ON canonical.record_id IS NULL;

-- name: read_backlog
-- The number of waiting events, counted no further than the limit: beyond it, live events would have to wait behind
-- replayed ones.
SELECT count(*) FROM (SELECT FROM outbox_events WHERE published_at IS NULL LIMIT %(limit)s) AS pending;

-- name: settle_canonical
-- Their canonical rows exist, and the ledger's last word on them was lost. Their open letters are closed, too: no
-- record needs them to be redriven.
WITH settled AS (
    UPDATE processing_stage_state SET state = 'succeeded', error_code = NULL, finished_at = clock_timestamp()
    WHERE record_id = ANY (%(record_ids)s) AND stage = 'canonicalize' AND state NOT IN ('succeeded', 'erased')
      AND EXISTS (SELECT FROM canonical_records WHERE canonical_records.record_id = processing_stage_state.record_id)
    RETURNING record_id
), resolved AS (
    UPDATE dead_letters SET state = 'resolved', closed_at = clock_timestamp()
    FROM settled WHERE dead_letters.record_id = settled.record_id AND closed_at IS NULL
)
SELECT record_id FROM settled;

-- name: audit_repairs
-- Audits changes to records that no request asked for, and why they were made.
INSERT INTO audit_log (action, outcome, status, route, partner_id, record_id, correlation_id)
SELECT 'reconcile', finding, 200, route, partner_id, record_id, correlation_id
FROM jsonb_to_recordset(%(rows)s) AS repair
    (finding text, route text, partner_id text, record_id uuid, correlation_id text);

-- name: lock_findings
-- Findings have one writer at a time, after all locks of records: two runs over the same records would deadlock.
SELECT pg_advisory_xact_lock(%(lock_class)s, 0);

-- name: write_findings
-- A finding that comes back after it was resolved is a new one, about the object that it comes back with.
INSERT INTO reconcile_findings AS known (record_id, finding, object_key, partner_id, repaired_at)
SELECT record_id, finding, object_key, partner_id, CASE WHEN repaired THEN clock_timestamp() END
FROM jsonb_to_recordset(%(rows)s) AS found
    (record_id uuid, finding text, object_key text, partner_id text, repaired boolean)
ON CONFLICT (record_id, finding) DO UPDATE
SET last_seen = clock_timestamp(), resolved_at = NULL,
    object_key = CASE WHEN known.resolved_at IS NULL THEN known.object_key ELSE excluded.object_key END,
    first_seen = CASE WHEN known.resolved_at IS NULL THEN known.first_seen ELSE clock_timestamp() END,
    repaired_at = coalesce(excluded.repaired_at, CASE WHEN known.resolved_at IS NULL THEN known.repaired_at END);

-- name: resolve_findings
-- Resolves open findings that a new look did not find again. A wrong hash is not resolved by the listing alone.
UPDATE reconcile_findings AS known SET resolved_at = clock_timestamp()
FROM unnest(%(record_ids)s, %(object_keys)s::text[], %(findings)s::text[], %(hashes_known)s::boolean[])
    AS judged (record_id, object_key, finding, hash_known)
WHERE known.record_id = judged.record_id AND known.finding IS DISTINCT FROM judged.finding
  AND (judged.hash_known OR known.finding <> 'hash_mismatch')
  -- a finding about one object of a record is not resolved by a look at another one
  AND (known.object_key IS NULL OR known.object_key = judged.object_key) AND known.resolved_at IS NULL;

-- name: read_open_findings
-- The open findings that have waited longest for another look.
SELECT record_id, object_key, finding FROM reconcile_findings WHERE resolved_at IS NULL AND last_seen < %(before)s
ORDER BY last_seen LIMIT %(limit)s;

-- name: touch_findings
-- Notes another look at records that are still under way.
UPDATE reconcile_findings SET last_seen = clock_timestamp()
WHERE record_id = ANY (%(record_ids)s) AND resolved_at IS NULL;

-- name: count_open_findings
-- The open findings by kind, which the alarm watches.
SELECT finding, count(*) FROM reconcile_findings WHERE resolved_at IS NULL GROUP BY finding ORDER BY finding;

-- name: prune_findings
-- Resolved findings are kept for three months.
DELETE FROM reconcile_findings WHERE resolved_at < clock_timestamp() - interval '90 days';

-- name: read_findings
-- Open findings and those seen since, for people.
SELECT record_id, finding, object_key, partner_id, first_seen, last_seen, repaired_at, resolved_at
FROM reconcile_findings
WHERE (resolved_at IS NULL OR last_seen >= %(since)s) AND (record_id, finding) > (%(after_record)s, %(after_finding)s)
ORDER BY record_id, finding LIMIT %(limit)s;
