-- migrate:up

-- Roles belong to the cluster, this migration to a database: the same cluster may hold several.
-- Passwords are set by whoever deploys, never by a migration.
DO $$
DECLARE
    role_name text;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('exchange roles'));
    FOREACH role_name IN ARRAY ARRAY['exchange_ingest', 'exchange_outbox', 'exchange_normalize'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role_name) THEN
            EXECUTE format('CREATE ROLE %I LOGIN NOINHERIT', role_name);
            -- RDS Proxy refuses `options`, so the manners of a connection live on its role.
            EXECUTE format('ALTER ROLE %I SET lock_timeout = ''5s''', role_name);
            EXECUTE format('ALTER ROLE %I SET statement_timeout = ''10s''', role_name);
            EXECUTE format('ALTER ROLE %I SET idle_in_transaction_session_timeout = ''15s''', role_name);
            EXECUTE format('ALTER ROLE %I SET search_path = public', role_name);
        END IF;
    END LOOP;
    IF (SELECT rolconnlimit FROM pg_roles WHERE rolname = 'exchange_ingest') = -1 THEN
        ALTER ROLE exchange_ingest CONNECTION LIMIT 60;
        ALTER ROLE exchange_outbox CONNECTION LIMIT 10;
        ALTER ROLE exchange_normalize CONNECTION LIMIT 60;
    END IF;
END
$$;

REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO exchange_ingest, exchange_outbox, exchange_normalize;

GRANT SELECT ON partners, partner_sources TO exchange_ingest, exchange_normalize;

GRANT SELECT, INSERT, UPDATE ON idempotency_keys TO exchange_ingest;
GRANT INSERT ON raw_object_manifest, audit_log, outbox_events TO exchange_ingest;
-- enough for ON CONFLICT, not for reading the manifest
GRANT SELECT (record_id) ON raw_object_manifest TO exchange_ingest;
-- enough for the backlog gauge, not for reading events
GRANT SELECT (published_at, created_at) ON outbox_events TO exchange_ingest;
GRANT SELECT, INSERT, UPDATE ON counters TO exchange_ingest, exchange_outbox;

GRANT SELECT, UPDATE (attempts, last_error, published_at), DELETE ON outbox_events TO exchange_outbox;

GRANT INSERT ON outbox_events, audit_log TO exchange_normalize;
GRANT SELECT, INSERT ON canonical_records, patient_tokens, canonical_encounters, canonical_claims,
    canonical_claim_lines, canonical_lab_results, canonical_lab_observations, dead_letters TO exchange_normalize;
GRANT SELECT, INSERT, UPDATE ON processing_stage_state TO exchange_normalize;

-- migrate:down
REVOKE ALL ON ALL TABLES IN SCHEMA public FROM exchange_ingest, exchange_outbox, exchange_normalize;
REVOKE USAGE ON SCHEMA public FROM exchange_ingest, exchange_outbox, exchange_normalize;
