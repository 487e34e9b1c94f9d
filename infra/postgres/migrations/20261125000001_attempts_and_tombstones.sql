-- migrate:up

-- Every attempt on every record and stage, committed before its work; processing_stage_state is the last word of each.
CREATE TABLE processing_attempts (
    record_id uuid NOT NULL,
    stage text NOT NULL,
    -- the same instant as in processing_stage_state while the attempt is the record's last
    started_at timestamptz NOT NULL,
    finished_at timestamptz,
    -- given_back: a dependency failed, it does not count. abandoned: its environment died, or was taken for dead.
    state text NOT NULL CHECK (state IN
        ('running', 'succeeded', 'failed_retryable', 'dlq', 'given_back', 'abandoned', 'erased')),
    error_code text,
    event_id uuid NOT NULL,
    topic text NOT NULL,
    kafka_partition integer NOT NULL,
    kafka_offset bigint NOT NULL,
    environment_id text NOT NULL,
    PRIMARY KEY (record_id, stage, started_at),
    CONSTRAINT only_a_running_attempt_has_no_end CHECK ((state = 'running') = (finished_at IS NULL))
    -- half of each page is left for the one update that every attempt gets, so that it touches no index
) WITH (fillfactor = 50);
-- What may be pruned; attempts come in this order, so the index grows at its end only.
CREATE INDEX processing_attempts_by_time ON processing_attempts (started_at);

-- Records that were erased and must not come back, whoever still holds their event. Kept for ever; no identifiers.
CREATE TABLE tombstones (
    record_id uuid PRIMARY KEY,
    -- the request that erased it, and perhaps others
    erasure_id uuid NOT NULL,
    partner_id text NOT NULL,
    -- the idempotency key's row name: ingest answers 410 to the key. Null when the key had expired before.
    key_hash text UNIQUE,
    bucket text NOT NULL,
    object_key text NOT NULL,
    -- how many rows went, by table
    deleted_rows jsonb NOT NULL,
    erased_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- null until the bucket has been asked for every version: until then the erasure is not complete
    raw_deleted_at timestamptz,
    deleted_object_versions integer NOT NULL DEFAULT 0 CHECK (deleted_object_versions >= 0)
);
CREATE INDEX tombstones_by_erasure ON tombstones (erasure_id);
CREATE INDEX tombstones_with_raw_objects ON tombstones (erased_at) WHERE raw_deleted_at IS NULL;

ALTER TABLE processing_stage_state DROP CONSTRAINT processing_stage_state_state_check;
ALTER TABLE processing_stage_state ADD CONSTRAINT processing_stage_state_state_check
    CHECK (state IN ('running', 'succeeded', 'failed_retryable', 'dlq', 'erased'));

-- Which idempotency key the record came under, so that erasing the one finds the other. Null for rows made from the bucket.
ALTER TABLE raw_object_manifest ADD COLUMN key_hash text;
-- When retention took the raw object; its canonical rows stay.
ALTER TABLE raw_object_manifest ADD COLUMN raw_deleted_at timestamptz;

GRANT SELECT, INSERT, UPDATE (state, error_code, finished_at) ON processing_attempts TO exchange_normalize;
GRANT SELECT ON tombstones TO exchange_normalize;
GRANT SELECT (record_id, key_hash) ON tombstones TO exchange_ingest;
-- the first answer to a key whose row has been pruned
GRANT SELECT (correlation_id) ON raw_object_manifest TO exchange_ingest;

-- migrate:down
REVOKE SELECT (correlation_id) ON raw_object_manifest FROM exchange_ingest;
ALTER TABLE raw_object_manifest DROP COLUMN raw_deleted_at, DROP COLUMN key_hash;
DELETE FROM processing_stage_state WHERE state = 'erased';
ALTER TABLE processing_stage_state DROP CONSTRAINT processing_stage_state_state_check;
ALTER TABLE processing_stage_state ADD CONSTRAINT processing_stage_state_state_check
    CHECK (state IN ('running', 'succeeded', 'failed_retryable', 'dlq'));
DROP TABLE tombstones, processing_attempts;
