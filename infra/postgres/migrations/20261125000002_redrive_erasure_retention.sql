-- migrate:up

-- A dead letter is open until its record is canonical or erased; redriving it sends its event again.
ALTER TABLE dead_letters
    -- the event as it was delivered: what redrive sends again. Null when it could not be read, or was erased.
    ADD COLUMN event bytea,
    ADD COLUMN event_sha256 text,
    ADD COLUMN state text NOT NULL DEFAULT 'dead' CHECK (state IN ('dead', 'redriven', 'resolved', 'erased')),
    -- how often, so that a hopeless one is seen to be
    ADD COLUMN redrives integer NOT NULL DEFAULT 0 CHECK (redrives >= 0),
    ADD COLUMN redriven_at timestamptz,
    ADD COLUMN closed_at timestamptz,
    -- the class: letters that differ in positions only have one reason
    ADD COLUMN reason text NOT NULL GENERATED ALWAYS AS
        (left(md5(stage || ' ' || error_type || ' ' || regexp_replace(error_message, '[0-9]+', '#', 'g')), 8)) STORED,
    ADD CONSTRAINT only_an_open_letter_is_not_closed CHECK ((state IN ('dead', 'redriven')) = (closed_at IS NULL));
-- A delivery that cannot be read is not counted again when it comes again; its hash is there because the offsets of a
-- topic that was made anew begin anew.
ALTER TABLE dead_letters DROP CONSTRAINT dead_letters_topic_kafka_partition_kafka_offset_key;
CREATE UNIQUE INDEX unreadable_dead_letters ON dead_letters (topic, kafka_partition, kafka_offset, event_sha256)
    WHERE record_id IS NULL;
-- One record has one open letter: redriving two would try it twice.
CREATE UNIQUE INDEX one_open_dead_letter_a_record ON dead_letters (record_id) WHERE closed_at IS NULL;
-- A class, in the order in which it is redriven.
CREATE INDEX open_dead_letters_by_reason ON dead_letters (reason, dead_letter_id) WHERE closed_at IS NULL;

-- What may be pruned.
CREATE INDEX idempotency_keys_by_expiry ON idempotency_keys (expires_at);

-- Roles as in 20261101000005: they belong to the cluster, their passwords to whoever deploys.
DO $$
DECLARE
    role_name text;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('exchange roles'));
    FOREACH role_name IN ARRAY ARRAY['exchange_lineage', 'exchange_redrive', 'exchange_erase', 'exchange_retain'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role_name) THEN
            EXECUTE format('CREATE ROLE %I LOGIN NOINHERIT CONNECTION LIMIT 10', role_name);
            EXECUTE format('ALTER ROLE %I SET lock_timeout = ''5s''', role_name);
            EXECUTE format('ALTER ROLE %I SET statement_timeout = ''10s''', role_name);
            EXECUTE format('ALTER ROLE %I SET idle_in_transaction_session_timeout = ''15s''', role_name);
            EXECUTE format('ALTER ROLE %I SET search_path = public', role_name);
        END IF;
    END LOOP;
END
$$;
GRANT USAGE ON SCHEMA public TO exchange_lineage, exchange_redrive, exchange_erase, exchange_retain;

-- a letter that was redriven and ended again, well or not
GRANT UPDATE (state, closed_at, topic, kafka_partition, kafka_offset, event_id, stage, error_type, error_message,
              attempts, failed_at, event, event_sha256) ON dead_letters TO exchange_normalize;

-- Lineage reads who was where, and no event, token or answer.
GRANT SELECT ON raw_object_manifest, processing_stage_state, processing_attempts, canonical_records, tombstones
    TO exchange_lineage;
GRANT SELECT (dead_letter_id, topic, kafka_partition, kafka_offset, record_id, event_id, stage, error_type,
              error_message, attempts, failed_at, event_sha256, state, redrives, redriven_at, closed_at, reason)
    ON dead_letters TO exchange_lineage;
GRANT SELECT (record_id, profile, key_version, rule) ON patient_tokens TO exchange_lineage;
GRANT SELECT (record_id) ON canonical_encounters, canonical_claims, canonical_claim_lines, canonical_lab_results,
    canonical_lab_observations TO exchange_lineage;
GRANT SELECT (outbox_id, shard, topic, key, created_at, attempts, last_error, published_at) ON outbox_events
    TO exchange_lineage;

GRANT SELECT, UPDATE (state, redrives, redriven_at, closed_at) ON dead_letters TO exchange_redrive;
GRANT SELECT, UPDATE (state, attempts, error_code, finished_at) ON processing_stage_state TO exchange_redrive;
GRANT SELECT (record_id) ON tombstones TO exchange_redrive;
GRANT SELECT (record_id, partner_id, source, record_kind, schema_hint) ON raw_object_manifest TO exchange_redrive;
GRANT INSERT ON outbox_events, audit_log TO exchange_redrive;

-- Erasing is the one right to delete a record; children go with their parents.
GRANT SELECT, DELETE ON raw_object_manifest, canonical_records TO exchange_erase;
GRANT SELECT (key_hash, response), DELETE ON idempotency_keys TO exchange_erase;
GRANT SELECT (record_id, profile, key_version, rule, token) ON patient_tokens TO exchange_erase;
GRANT SELECT (record_id) ON canonical_encounters, canonical_claims, canonical_claim_lines, canonical_lab_results,
    canonical_lab_observations TO exchange_erase;
GRANT SELECT, INSERT, UPDATE ON processing_stage_state TO exchange_erase;
GRANT SELECT (record_id, state, closed_at), UPDATE (event, state, closed_at) ON dead_letters TO exchange_erase;
GRANT SELECT (shard, key, published_at), DELETE ON outbox_events TO exchange_erase;
GRANT SELECT, INSERT, UPDATE (raw_deleted_at, deleted_object_versions) ON tombstones TO exchange_erase;
GRANT SELECT ON partners, partner_sources TO exchange_erase, exchange_retain;
GRANT INSERT ON audit_log TO exchange_erase, exchange_retain;

GRANT SELECT (key_hash, expires_at), DELETE ON idempotency_keys TO exchange_retain;
GRANT SELECT, DELETE ON processing_attempts TO exchange_retain;
GRANT SELECT (dead_letter_id, closed_at), DELETE ON dead_letters TO exchange_retain;
GRANT SELECT (record_id, bucket, object_key, raw_deleted_at), UPDATE (raw_deleted_at) ON raw_object_manifest
    TO exchange_retain;
GRANT SELECT, UPDATE (raw_deleted_at, deleted_object_versions) ON tombstones TO exchange_retain;

-- migrate:down
REVOKE ALL ON ALL TABLES IN SCHEMA public FROM exchange_lineage, exchange_redrive, exchange_erase, exchange_retain;
REVOKE USAGE ON SCHEMA public FROM exchange_lineage, exchange_redrive, exchange_erase, exchange_retain;
DROP INDEX idempotency_keys_by_expiry;
REVOKE UPDATE ON dead_letters FROM exchange_normalize;
DROP INDEX one_open_dead_letter_a_record, open_dead_letters_by_reason, unreadable_dead_letters;
ALTER TABLE dead_letters ADD UNIQUE (topic, kafka_partition, kafka_offset);
ALTER TABLE dead_letters DROP COLUMN event, DROP COLUMN event_sha256, DROP COLUMN redrives, DROP COLUMN redriven_at,
    DROP COLUMN closed_at, DROP COLUMN reason, DROP COLUMN state;
