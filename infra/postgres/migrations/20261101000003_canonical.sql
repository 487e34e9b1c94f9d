-- migrate:up

CREATE TABLE canonical_records (
    record_id uuid PRIMARY KEY,
    partner_id text NOT NULL,
    source text NOT NULL,
    record_kind text NOT NULL CHECK (record_kind IN ('encounter', 'claim', 'lab_result')),
    schema_hint text NOT NULL,
    -- the year only: a full birth date is an identifier
    birth_year smallint NOT NULL CHECK (birth_year BETWEEN 1800 AND 2200)
);

CREATE TABLE patient_tokens (
    record_id uuid NOT NULL REFERENCES canonical_records ON DELETE CASCADE,
    profile text NOT NULL,
    key_version text NOT NULL,
    rule text NOT NULL,
    -- the check keeps out anything that is not a token, a name above all
    token text NOT NULL CHECK (token ~ '^[0-9a-f]{64}$'),
    PRIMARY KEY (record_id, profile, key_version, rule)
);
-- Linking: all records of one person.
CREATE INDEX patient_tokens_by_token ON patient_tokens (token);

CREATE TABLE canonical_encounters (
    record_id uuid PRIMARY KEY REFERENCES canonical_records ON DELETE CASCADE,
    encounter_token text NOT NULL CHECK (encounter_token ~ '^[0-9a-f]{64}$'),
    member_token text CHECK (member_token ~ '^[0-9a-f]{64}$'),
    facility_id text,
    encounter_class text NOT NULL,
    admitted_at timestamptz NOT NULL,
    discharged_at timestamptz,
    diagnosis_codes text[] NOT NULL,
    CONSTRAINT discharge_follows_admission CHECK (discharged_at >= admitted_at)
);

CREATE TABLE canonical_claims (
    record_id uuid PRIMARY KEY REFERENCES canonical_records ON DELETE CASCADE,
    claim_token text NOT NULL CHECK (claim_token ~ '^[0-9a-f]{64}$'),
    member_token text CHECK (member_token ~ '^[0-9a-f]{64}$'),
    service_from date NOT NULL,
    service_to date NOT NULL,
    total_amount_cents bigint NOT NULL,
    currency text NOT NULL,
    diagnosis_codes text[] NOT NULL,
    CONSTRAINT service_ends_after_it_starts CHECK (service_to >= service_from)
);

CREATE TABLE canonical_claim_lines (
    record_id uuid NOT NULL REFERENCES canonical_claims ON DELETE CASCADE,
    ordinal smallint NOT NULL,
    procedure_code text NOT NULL,
    units integer NOT NULL,
    amount_cents bigint NOT NULL,
    PRIMARY KEY (record_id, ordinal)
);

CREATE TABLE canonical_lab_results (
    record_id uuid PRIMARY KEY REFERENCES canonical_records ON DELETE CASCADE,
    accession_token text NOT NULL CHECK (accession_token ~ '^[0-9a-f]{64}$'),
    member_token text CHECK (member_token ~ '^[0-9a-f]{64}$'),
    collected_at timestamptz NOT NULL
);

CREATE TABLE canonical_lab_observations (
    record_id uuid NOT NULL REFERENCES canonical_lab_results ON DELETE CASCADE,
    ordinal smallint NOT NULL,
    loinc_code text NOT NULL,
    value_numeric numeric,
    value_code text,
    unit text,
    abnormal_flag text,
    PRIMARY KEY (record_id, ordinal)
);

-- migrate:down
DROP TABLE canonical_lab_observations, canonical_lab_results, canonical_claim_lines, canonical_claims,
    canonical_encounters, patient_tokens, canonical_records;
