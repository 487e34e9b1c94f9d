-- migrate:up

-- Who may send, and under which names.
CREATE TABLE partners (
    partner_id text PRIMARY KEY CHECK (partner_id ~ '^[A-Za-z0-9][A-Za-z0-9_-]{1,62}$'),
    default_schema_hint text NOT NULL,
    allowed_schema_hints text[] NOT NULL,
    raw_retention_days integer NOT NULL DEFAULT 3650 CHECK (raw_retention_days > 0),
    created_at timestamptz NOT NULL DEFAULT now(),
    -- a v1 record always has a mapping its partner is allowed to use
    CONSTRAINT default_hint_is_allowed CHECK (default_schema_hint = ANY (allowed_schema_hints))
);

CREATE TABLE partner_sources (
    -- primary key: two partners can never own one source
    source text PRIMARY KEY CHECK (source ~ '^[A-Za-z0-9][A-Za-z0-9_-]{1,62}$'),
    partner_id text NOT NULL REFERENCES partners
);

CREATE TABLE idempotency_keys (
    -- sha256 over partner, route and key: the key itself may carry a medical record number
    key_hash text PRIMARY KEY,
    partner_id text NOT NULL REFERENCES partners,
    route text NOT NULL,
    body_hash text NOT NULL,
    response text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL
);

CREATE TABLE raw_object_manifest (
    record_id uuid PRIMARY KEY,
    partner_id text NOT NULL REFERENCES partners,
    source text NOT NULL,
    route text NOT NULL,
    record_kind text NOT NULL CHECK (record_kind IN ('encounter', 'claim', 'lab_result')),
    schema_hint text NOT NULL,
    bucket text NOT NULL,
    object_key text NOT NULL,
    sha256 text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    size_bytes integer NOT NULL CHECK (size_bytes > 0),
    correlation_id text NOT NULL,
    occurred_at timestamptz NOT NULL,
    -- one object belongs to one record: a shared object could be erased under its neighbour
    UNIQUE (bucket, object_key)
);

CREATE TABLE audit_log (
    audit_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    action text NOT NULL,
    outcome text NOT NULL,
    status smallint NOT NULL,
    route text NOT NULL,
    -- null for a caller that could not be identified
    partner_id text,
    record_id uuid,
    correlation_id text NOT NULL
);

-- One row an execution environment and series: a shared row would serialise every request.
CREATE TABLE counters (
    environment_id text NOT NULL,
    metric text NOT NULL,
    labels text NOT NULL,
    value bigint NOT NULL,
    PRIMARY KEY (environment_id, metric, labels)
) WITH (fillfactor = 50);

-- migrate:down
DROP TABLE counters, audit_log, raw_object_manifest, idempotency_keys, partner_sources, partners;
