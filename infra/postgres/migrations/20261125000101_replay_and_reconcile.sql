-- migrate:up

-- Work over the bucket that may take longer than a function runs.
CREATE TABLE job_runs (
    job_id uuid PRIMARY KEY,
    job text NOT NULL CHECK (job IN ('replay', 'reconcile')),
    -- what was asked for, as the contract of the request has it: a job that is taken up again asks for the same
    request jsonb NOT NULL,
    shards smallint NOT NULL,
    state text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'succeeded', 'cancelled')),
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at timestamptz,
    CONSTRAINT only_a_running_job_has_no_end CHECK ((state = 'running') = (finished_at IS NULL))
);
CREATE INDEX job_runs_by_time ON job_runs (job, started_at);

-- How far each shard of a job is: written with the effects of a page, so that no page takes effect twice.
CREATE TABLE job_checkpoints (
    job_id uuid NOT NULL REFERENCES job_runs ON DELETE CASCADE,
    shard smallint NOT NULL CHECK (shard >= 0),
    -- the last object key that was dealt with
    cursor text,
    counts jsonb NOT NULL DEFAULT '{}',
    progress double precision NOT NULL DEFAULT 0 CHECK (progress BETWEEN 0 AND 1),
    -- up to when the rate that was asked for has been used
    paid_until timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at timestamptz,
    PRIMARY KEY (job_id, shard)
);

CREATE TABLE reconcile_findings (
    record_id uuid NOT NULL,
    finding text NOT NULL CHECK (finding IN
        ('orphan_raw', 'stuck_enqueued', 'written_no_enqueue', 'unexpected_state_no_canonical',
         'canonical_missing_manifest', 'canonical_state_mismatch', 'stuck_outbox', 'dead_lettered', 'hash_mismatch',
         'canonical_without_raw', 'manifest_without_raw', 'raw_copy', 'erased_not_gone', 'unfit_raw')),
    -- null where no object is known
    object_key text,
    partner_id text,
    first_seen timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_seen timestamptz NOT NULL DEFAULT clock_timestamp(),
    repaired_at timestamptz,
    -- set when the record was looked at again and this no longer held
    resolved_at timestamptz,
    PRIMARY KEY (record_id, finding)
);
CREATE INDEX reconcile_findings_open ON reconcile_findings (last_seen) WHERE resolved_at IS NULL;
CREATE INDEX reconcile_findings_by_time ON reconcile_findings (last_seen);

-- Byte-wise, as object stores list: reconcile lays a page of the bucket beside the same range of the manifest.
ALTER TABLE raw_object_manifest ALTER COLUMN object_key TYPE text COLLATE "C";
-- What became of a record's event.
CREATE INDEX outbox_events_by_key ON outbox_events (key);

DO $$
DECLARE
    role_name text;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('exchange roles'));
    FOREACH role_name IN ARRAY ARRAY['exchange_replay', 'exchange_reconcile'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role_name) THEN
            EXECUTE format('CREATE ROLE %I LOGIN NOINHERIT CONNECTION LIMIT 20', role_name);
            EXECUTE format('ALTER ROLE %I SET lock_timeout = ''5s''', role_name);
            EXECUTE format('ALTER ROLE %I SET statement_timeout = ''10s''', role_name);
            EXECUTE format('ALTER ROLE %I SET idle_in_transaction_session_timeout = ''15s''', role_name);
            EXECUTE format('ALTER ROLE %I SET search_path = public', role_name);
        END IF;
    END LOOP;
END
$$;

GRANT USAGE ON SCHEMA public TO exchange_replay, exchange_reconcile;
GRANT SELECT ON partners, partner_sources, tombstones TO exchange_replay, exchange_reconcile;
GRANT SELECT (record_id) ON canonical_records TO exchange_replay, exchange_reconcile;
GRANT SELECT, INSERT ON raw_object_manifest TO exchange_replay, exchange_reconcile;
GRANT INSERT ON outbox_events TO exchange_replay, exchange_reconcile;
GRANT INSERT ON audit_log TO exchange_reconcile;
-- enough to see what waits and what became of a record's event, not to read events
GRANT SELECT (outbox_id, topic, key, created_at, published_at) ON outbox_events TO exchange_replay, exchange_reconcile;
GRANT SELECT, UPDATE (state, attempts, error_code, finished_at) ON processing_stage_state
    TO exchange_replay, exchange_reconcile;
GRANT SELECT, INSERT, UPDATE, DELETE ON job_runs, job_checkpoints TO exchange_replay, exchange_reconcile;
GRANT SELECT, INSERT, UPDATE ON reconcile_findings TO exchange_reconcile;

-- migrate:down
REVOKE ALL ON ALL TABLES IN SCHEMA public FROM exchange_replay, exchange_reconcile;
REVOKE USAGE ON SCHEMA public FROM exchange_replay, exchange_reconcile;
DROP INDEX outbox_events_by_key;
ALTER TABLE raw_object_manifest ALTER COLUMN object_key TYPE text;
DROP TABLE reconcile_findings, job_checkpoints, job_runs;
