--
-- PostgreSQL database dump
--


SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET transaction_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: audit_log; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.audit_log (
    audit_id bigint NOT NULL,
    at timestamp with time zone DEFAULT now() NOT NULL,
    action text NOT NULL,
    outcome text NOT NULL,
    status smallint NOT NULL,
    route text NOT NULL,
    partner_id text,
    record_id uuid,
    correlation_id text NOT NULL,
    case_ref text,
    CONSTRAINT a_case_is_a_number_and_no_sentence CHECK ((case_ref ~ '^[A-Za-z0-9][A-Za-z0-9._/#-]{0,63}$'::text))
);


--
-- Name: audit_log_audit_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.audit_log ALTER COLUMN audit_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.audit_log_audit_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: canonical_claim_lines; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.canonical_claim_lines (
    record_id uuid NOT NULL,
    ordinal smallint NOT NULL,
    procedure_code text NOT NULL,
    units integer NOT NULL,
    amount_cents bigint NOT NULL
);


--
-- Name: canonical_claims; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.canonical_claims (
    record_id uuid NOT NULL,
    claim_token text NOT NULL,
    member_token text,
    service_from date NOT NULL,
    service_to date NOT NULL,
    total_amount_cents bigint NOT NULL,
    currency text NOT NULL,
    diagnosis_codes text[] NOT NULL,
    CONSTRAINT canonical_claims_claim_token_check CHECK ((claim_token ~ '^[0-9a-f]{64}$'::text)),
    CONSTRAINT canonical_claims_member_token_check CHECK ((member_token ~ '^[0-9a-f]{64}$'::text)),
    CONSTRAINT service_ends_after_it_starts CHECK ((service_to >= service_from))
);


--
-- Name: canonical_encounters; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.canonical_encounters (
    record_id uuid NOT NULL,
    encounter_token text NOT NULL,
    member_token text,
    facility_id text,
    encounter_class text NOT NULL,
    admitted_at timestamp with time zone NOT NULL,
    discharged_at timestamp with time zone,
    diagnosis_codes text[] NOT NULL,
    CONSTRAINT canonical_encounters_encounter_token_check CHECK ((encounter_token ~ '^[0-9a-f]{64}$'::text)),
    CONSTRAINT canonical_encounters_member_token_check CHECK ((member_token ~ '^[0-9a-f]{64}$'::text)),
    CONSTRAINT discharge_follows_admission CHECK ((discharged_at >= admitted_at))
);


--
-- Name: canonical_lab_observations; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.canonical_lab_observations (
    record_id uuid NOT NULL,
    ordinal smallint NOT NULL,
    loinc_code text NOT NULL,
    value_numeric numeric,
    value_code text,
    unit text,
    abnormal_flag text
);


--
-- Name: canonical_lab_results; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.canonical_lab_results (
    record_id uuid NOT NULL,
    accession_token text NOT NULL,
    member_token text,
    collected_at timestamp with time zone NOT NULL,
    CONSTRAINT canonical_lab_results_accession_token_check CHECK ((accession_token ~ '^[0-9a-f]{64}$'::text)),
    CONSTRAINT canonical_lab_results_member_token_check CHECK ((member_token ~ '^[0-9a-f]{64}$'::text))
);


--
-- Name: canonical_records; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.canonical_records (
    record_id uuid NOT NULL,
    partner_id text NOT NULL,
    source text NOT NULL,
    record_kind text NOT NULL,
    schema_hint text NOT NULL,
    birth_year smallint NOT NULL,
    CONSTRAINT canonical_records_birth_year_check CHECK (((birth_year >= 1800) AND (birth_year <= 2200))),
    CONSTRAINT canonical_records_record_kind_check CHECK ((record_kind = ANY (ARRAY['encounter'::text, 'claim'::text, 'lab_result'::text])))
);


--
-- Name: counters; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.counters (
    environment_id text NOT NULL,
    metric text NOT NULL,
    labels text NOT NULL,
    value bigint NOT NULL
)
WITH (fillfactor='50');


--
-- Name: dead_letters; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.dead_letters (
    dead_letter_id bigint NOT NULL,
    topic text NOT NULL,
    kafka_partition integer NOT NULL,
    kafka_offset bigint NOT NULL,
    record_id uuid,
    event_id uuid,
    stage text NOT NULL,
    error_type text NOT NULL,
    error_message text NOT NULL,
    attempts integer NOT NULL,
    failed_at timestamp with time zone NOT NULL,
    event bytea,
    event_sha256 text,
    state text DEFAULT 'dead'::text NOT NULL,
    redrives integer DEFAULT 0 NOT NULL,
    redriven_at timestamp with time zone,
    closed_at timestamp with time zone,
    reason text GENERATED ALWAYS AS ("left"(md5(((((stage || ' '::text) || error_type) || ' '::text) || regexp_replace(error_message, '[0-9]+'::text, '#'::text, 'g'::text))), 8)) STORED NOT NULL,
    refusal text,
    refused_at timestamp with time zone,
    CONSTRAINT a_refusal_has_its_time CHECK (((refusal IS NULL) = (refused_at IS NULL))),
    CONSTRAINT dead_letters_redrives_check CHECK ((redrives >= 0)),
    CONSTRAINT dead_letters_refusal_check CHECK ((refusal = ANY (ARRAY['event_unreadable'::text, 'record_not_dead'::text, 'raw_object_missing'::text, 'raw_object_changed'::text, 'record_unknown'::text]))),
    CONSTRAINT dead_letters_stage_check CHECK ((stage = ANY (ARRAY['parse_event'::text, 'start_attempt'::text, 'fetch_raw_object'::text, 'normalize'::text, 'write_canonical'::text]))),
    CONSTRAINT dead_letters_state_check CHECK ((state = ANY (ARRAY['dead'::text, 'redriven'::text, 'resolved'::text, 'erased'::text]))),
    CONSTRAINT only_an_open_letter_is_not_closed CHECK (((state = ANY (ARRAY['dead'::text, 'redriven'::text])) = (closed_at IS NULL)))
);


--
-- Name: dead_letters_dead_letter_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.dead_letters ALTER COLUMN dead_letter_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.dead_letters_dead_letter_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: idempotency_keys; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.idempotency_keys (
    key_hash text NOT NULL,
    partner_id text NOT NULL,
    route text NOT NULL,
    body_hash text NOT NULL,
    response text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone NOT NULL
);


--
-- Name: job_checkpoints; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.job_checkpoints (
    job_id uuid NOT NULL,
    shard smallint NOT NULL,
    cursor text,
    counts jsonb DEFAULT '{}'::jsonb NOT NULL,
    progress double precision DEFAULT 0 NOT NULL,
    paid_until timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    updated_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    finished_at timestamp with time zone,
    CONSTRAINT job_checkpoints_progress_check CHECK (((progress >= (0)::double precision) AND (progress <= (1)::double precision))),
    CONSTRAINT job_checkpoints_shard_check CHECK ((shard >= 0))
);


--
-- Name: job_runs; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.job_runs (
    job_id uuid NOT NULL,
    job text NOT NULL,
    request jsonb NOT NULL,
    shards smallint NOT NULL,
    state text DEFAULT 'running'::text NOT NULL,
    started_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    finished_at timestamp with time zone,
    CONSTRAINT job_runs_job_check CHECK ((job = ANY (ARRAY['replay'::text, 'reconcile'::text]))),
    CONSTRAINT job_runs_state_check CHECK ((state = ANY (ARRAY['running'::text, 'succeeded'::text, 'cancelled'::text]))),
    CONSTRAINT only_a_running_job_has_no_end CHECK (((state = 'running'::text) = (finished_at IS NULL)))
);


--
-- Name: outbox_events; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.outbox_events (
    outbox_id bigint NOT NULL,
    shard smallint NOT NULL,
    topic text NOT NULL,
    key text NOT NULL,
    value bytea NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    last_error text,
    published_at timestamp with time zone,
    CONSTRAINT outbox_events_shard_check CHECK (((shard >= 0) AND (shard <= 15)))
)
WITH (fillfactor='80');


--
-- Name: outbox_events_outbox_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.outbox_events ALTER COLUMN outbox_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.outbox_events_outbox_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: partner_sources; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.partner_sources (
    source text NOT NULL,
    partner_id text NOT NULL,
    CONSTRAINT partner_sources_source_check CHECK ((source ~ '^[A-Za-z0-9][A-Za-z0-9_-]{1,62}$'::text))
);


--
-- Name: partners; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.partners (
    partner_id text NOT NULL,
    default_schema_hint text NOT NULL,
    allowed_schema_hints text[] NOT NULL,
    raw_retention_days integer DEFAULT 3650 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT default_hint_is_allowed CHECK ((default_schema_hint = ANY (allowed_schema_hints))),
    CONSTRAINT partners_partner_id_check CHECK ((partner_id ~ '^[A-Za-z0-9][A-Za-z0-9_-]{1,62}$'::text)),
    CONSTRAINT partners_raw_retention_days_check CHECK ((raw_retention_days > 0))
);


--
-- Name: patient_tokens; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.patient_tokens (
    record_id uuid NOT NULL,
    profile text NOT NULL,
    key_version text NOT NULL,
    rule text NOT NULL,
    token text NOT NULL,
    CONSTRAINT patient_tokens_token_check CHECK ((token ~ '^[0-9a-f]{64}$'::text))
);


--
-- Name: processing_attempts; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.processing_attempts (
    record_id uuid NOT NULL,
    stage text NOT NULL,
    started_at timestamp with time zone NOT NULL,
    finished_at timestamp with time zone,
    state text NOT NULL,
    error_code text,
    event_id uuid NOT NULL,
    topic text NOT NULL,
    kafka_partition integer NOT NULL,
    kafka_offset bigint NOT NULL,
    environment_id text NOT NULL,
    CONSTRAINT only_a_running_attempt_has_no_end CHECK (((state = 'running'::text) = (finished_at IS NULL))),
    CONSTRAINT processing_attempts_state_check CHECK ((state = ANY (ARRAY['running'::text, 'succeeded'::text, 'failed_retryable'::text, 'dlq'::text, 'given_back'::text, 'abandoned'::text, 'erased'::text])))
)
WITH (fillfactor='50');


--
-- Name: processing_stage_state; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.processing_stage_state (
    record_id uuid NOT NULL,
    stage text NOT NULL,
    state text NOT NULL,
    attempts integer NOT NULL,
    event_id uuid NOT NULL,
    environment_id text NOT NULL,
    error_code text,
    started_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    finished_at timestamp with time zone,
    CONSTRAINT processing_stage_state_attempts_check CHECK ((attempts >= 0)),
    CONSTRAINT processing_stage_state_state_check CHECK ((state = ANY (ARRAY['running'::text, 'succeeded'::text, 'failed_retryable'::text, 'dlq'::text, 'erased'::text])))
)
WITH (fillfactor='70');


--
-- Name: raw_object_manifest; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.raw_object_manifest (
    record_id uuid NOT NULL,
    partner_id text NOT NULL,
    source text NOT NULL,
    route text NOT NULL,
    record_kind text NOT NULL,
    schema_hint text NOT NULL,
    bucket text NOT NULL,
    object_key text NOT NULL COLLATE pg_catalog."C",
    sha256 text NOT NULL,
    size_bytes integer NOT NULL,
    correlation_id text NOT NULL,
    occurred_at timestamp with time zone NOT NULL,
    key_hash text,
    raw_deleted_at timestamp with time zone,
    CONSTRAINT raw_object_manifest_record_kind_check CHECK ((record_kind = ANY (ARRAY['encounter'::text, 'claim'::text, 'lab_result'::text]))),
    CONSTRAINT raw_object_manifest_sha256_check CHECK ((sha256 ~ '^[0-9a-f]{64}$'::text)),
    CONSTRAINT raw_object_manifest_size_bytes_check CHECK ((size_bytes > 0))
);


--
-- Name: reconcile_findings; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.reconcile_findings (
    record_id uuid NOT NULL,
    finding text NOT NULL,
    object_key text,
    partner_id text,
    first_seen timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    last_seen timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    repaired_at timestamp with time zone,
    resolved_at timestamp with time zone,
    CONSTRAINT reconcile_findings_finding_check CHECK ((finding = ANY (ARRAY['orphan_raw'::text, 'stuck_enqueued'::text, 'written_no_enqueue'::text, 'unexpected_state_no_canonical'::text, 'canonical_missing_manifest'::text, 'canonical_state_mismatch'::text, 'stuck_outbox'::text, 'dead_lettered'::text, 'hash_mismatch'::text, 'canonical_without_raw'::text, 'manifest_without_raw'::text, 'raw_copy'::text, 'erased_not_gone'::text, 'unfit_raw'::text])))
);


--
-- Name: schema_migrations; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.schema_migrations (
    version character varying NOT NULL
);


--
-- Name: tombstones; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.tombstones (
    record_id uuid NOT NULL,
    erasure_id uuid NOT NULL,
    partner_id text NOT NULL,
    key_hash text,
    bucket text NOT NULL,
    object_key text NOT NULL,
    deleted_rows jsonb NOT NULL,
    erased_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    raw_deleted_at timestamp with time zone,
    deleted_object_versions integer DEFAULT 0 NOT NULL,
    CONSTRAINT tombstones_deleted_object_versions_check CHECK ((deleted_object_versions >= 0))
);


--
-- Name: audit_log audit_log_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.audit_log
    ADD CONSTRAINT audit_log_pkey PRIMARY KEY (audit_id);


--
-- Name: canonical_claim_lines canonical_claim_lines_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.canonical_claim_lines
    ADD CONSTRAINT canonical_claim_lines_pkey PRIMARY KEY (record_id, ordinal);


--
-- Name: canonical_claims canonical_claims_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.canonical_claims
    ADD CONSTRAINT canonical_claims_pkey PRIMARY KEY (record_id);


--
-- Name: canonical_encounters canonical_encounters_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.canonical_encounters
    ADD CONSTRAINT canonical_encounters_pkey PRIMARY KEY (record_id);


--
-- Name: canonical_lab_observations canonical_lab_observations_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.canonical_lab_observations
    ADD CONSTRAINT canonical_lab_observations_pkey PRIMARY KEY (record_id, ordinal);


--
-- Name: canonical_lab_results canonical_lab_results_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.canonical_lab_results
    ADD CONSTRAINT canonical_lab_results_pkey PRIMARY KEY (record_id);


--
-- Name: canonical_records canonical_records_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.canonical_records
    ADD CONSTRAINT canonical_records_pkey PRIMARY KEY (record_id);


--
-- Name: counters counters_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.counters
    ADD CONSTRAINT counters_pkey PRIMARY KEY (environment_id, metric, labels);


--
-- Name: dead_letters dead_letters_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.dead_letters
    ADD CONSTRAINT dead_letters_pkey PRIMARY KEY (dead_letter_id);


--
-- Name: idempotency_keys idempotency_keys_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.idempotency_keys
    ADD CONSTRAINT idempotency_keys_pkey PRIMARY KEY (key_hash);


--
-- Name: job_checkpoints job_checkpoints_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.job_checkpoints
    ADD CONSTRAINT job_checkpoints_pkey PRIMARY KEY (job_id, shard);


--
-- Name: job_runs job_runs_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.job_runs
    ADD CONSTRAINT job_runs_pkey PRIMARY KEY (job_id);


--
-- Name: outbox_events outbox_events_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.outbox_events
    ADD CONSTRAINT outbox_events_pkey PRIMARY KEY (outbox_id);


--
-- Name: partner_sources partner_sources_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.partner_sources
    ADD CONSTRAINT partner_sources_pkey PRIMARY KEY (source);


--
-- Name: partners partners_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.partners
    ADD CONSTRAINT partners_pkey PRIMARY KEY (partner_id);


--
-- Name: patient_tokens patient_tokens_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.patient_tokens
    ADD CONSTRAINT patient_tokens_pkey PRIMARY KEY (record_id, profile, key_version, rule);


--
-- Name: processing_attempts processing_attempts_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.processing_attempts
    ADD CONSTRAINT processing_attempts_pkey PRIMARY KEY (record_id, stage, started_at);


--
-- Name: processing_stage_state processing_stage_state_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.processing_stage_state
    ADD CONSTRAINT processing_stage_state_pkey PRIMARY KEY (record_id, stage);


--
-- Name: raw_object_manifest raw_object_manifest_bucket_object_key_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.raw_object_manifest
    ADD CONSTRAINT raw_object_manifest_bucket_object_key_key UNIQUE (bucket, object_key);


--
-- Name: raw_object_manifest raw_object_manifest_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.raw_object_manifest
    ADD CONSTRAINT raw_object_manifest_pkey PRIMARY KEY (record_id);


--
-- Name: reconcile_findings reconcile_findings_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.reconcile_findings
    ADD CONSTRAINT reconcile_findings_pkey PRIMARY KEY (record_id, finding);


--
-- Name: schema_migrations schema_migrations_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.schema_migrations
    ADD CONSTRAINT schema_migrations_pkey PRIMARY KEY (version);


--
-- Name: tombstones tombstones_key_hash_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.tombstones
    ADD CONSTRAINT tombstones_key_hash_key UNIQUE (key_hash);


--
-- Name: tombstones tombstones_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.tombstones
    ADD CONSTRAINT tombstones_pkey PRIMARY KEY (record_id);


--
-- Name: audit_log_by_case; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX audit_log_by_case ON public.audit_log USING btree (case_ref) WHERE (case_ref IS NOT NULL);


--
-- Name: audit_log_by_time; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX audit_log_by_time ON public.audit_log USING brin (at);


--
-- Name: audit_log_of_operations; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX audit_log_of_operations ON public.audit_log USING btree (record_id) WHERE (action <> 'ingest'::text);


--
-- Name: dead_letters_by_record; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX dead_letters_by_record ON public.dead_letters USING btree (record_id);


--
-- Name: dead_letters_closed; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX dead_letters_closed ON public.dead_letters USING btree (closed_at) WHERE (closed_at IS NOT NULL);


--
-- Name: idempotency_keys_by_expiry; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX idempotency_keys_by_expiry ON public.idempotency_keys USING btree (expires_at);


--
-- Name: job_runs_by_time; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX job_runs_by_time ON public.job_runs USING btree (job, started_at);


--
-- Name: one_open_dead_letter_a_record; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX one_open_dead_letter_a_record ON public.dead_letters USING btree (record_id) WHERE (closed_at IS NULL);


--
-- Name: open_dead_letters_by_reason; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX open_dead_letters_by_reason ON public.dead_letters USING btree (reason, dead_letter_id) WHERE (closed_at IS NULL);


--
-- Name: outbox_events_by_key; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX outbox_events_by_key ON public.outbox_events USING btree (key);


--
-- Name: outbox_pending; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX outbox_pending ON public.outbox_events USING btree (shard, outbox_id) WHERE (published_at IS NULL);


--
-- Name: outbox_published; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX outbox_published ON public.outbox_events USING btree (published_at) WHERE (published_at IS NOT NULL);


--
-- Name: patient_tokens_by_token; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX patient_tokens_by_token ON public.patient_tokens USING btree (token);


--
-- Name: processing_attempts_by_time; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX processing_attempts_by_time ON public.processing_attempts USING btree (started_at);


--
-- Name: reconcile_findings_by_time; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX reconcile_findings_by_time ON public.reconcile_findings USING btree (last_seen);


--
-- Name: reconcile_findings_open; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX reconcile_findings_open ON public.reconcile_findings USING btree (last_seen) WHERE (resolved_at IS NULL);


--
-- Name: reconcile_findings_resolved; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX reconcile_findings_resolved ON public.reconcile_findings USING btree (resolved_at) WHERE (resolved_at IS NOT NULL);


--
-- Name: tombstones_by_erasure; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX tombstones_by_erasure ON public.tombstones USING btree (erasure_id);


--
-- Name: tombstones_with_raw_objects; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX tombstones_with_raw_objects ON public.tombstones USING btree (erased_at) WHERE (raw_deleted_at IS NULL);


--
-- Name: unreadable_dead_letters; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX unreadable_dead_letters ON public.dead_letters USING btree (topic, kafka_partition, kafka_offset, event_sha256) WHERE (record_id IS NULL);


--
-- Name: canonical_claim_lines canonical_claim_lines_record_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.canonical_claim_lines
    ADD CONSTRAINT canonical_claim_lines_record_id_fkey FOREIGN KEY (record_id) REFERENCES public.canonical_claims(record_id) ON DELETE CASCADE;


--
-- Name: canonical_claims canonical_claims_record_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.canonical_claims
    ADD CONSTRAINT canonical_claims_record_id_fkey FOREIGN KEY (record_id) REFERENCES public.canonical_records(record_id) ON DELETE CASCADE;


--
-- Name: canonical_encounters canonical_encounters_record_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.canonical_encounters
    ADD CONSTRAINT canonical_encounters_record_id_fkey FOREIGN KEY (record_id) REFERENCES public.canonical_records(record_id) ON DELETE CASCADE;


--
-- Name: canonical_lab_observations canonical_lab_observations_record_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.canonical_lab_observations
    ADD CONSTRAINT canonical_lab_observations_record_id_fkey FOREIGN KEY (record_id) REFERENCES public.canonical_lab_results(record_id) ON DELETE CASCADE;


--
-- Name: canonical_lab_results canonical_lab_results_record_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.canonical_lab_results
    ADD CONSTRAINT canonical_lab_results_record_id_fkey FOREIGN KEY (record_id) REFERENCES public.canonical_records(record_id) ON DELETE CASCADE;


--
-- Name: idempotency_keys idempotency_keys_partner_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.idempotency_keys
    ADD CONSTRAINT idempotency_keys_partner_id_fkey FOREIGN KEY (partner_id) REFERENCES public.partners(partner_id);


--
-- Name: job_checkpoints job_checkpoints_job_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.job_checkpoints
    ADD CONSTRAINT job_checkpoints_job_id_fkey FOREIGN KEY (job_id) REFERENCES public.job_runs(job_id) ON DELETE CASCADE;


--
-- Name: partner_sources partner_sources_partner_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.partner_sources
    ADD CONSTRAINT partner_sources_partner_id_fkey FOREIGN KEY (partner_id) REFERENCES public.partners(partner_id);


--
-- Name: patient_tokens patient_tokens_record_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.patient_tokens
    ADD CONSTRAINT patient_tokens_record_id_fkey FOREIGN KEY (record_id) REFERENCES public.canonical_records(record_id) ON DELETE CASCADE;


--
-- Name: raw_object_manifest raw_object_manifest_partner_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.raw_object_manifest
    ADD CONSTRAINT raw_object_manifest_partner_id_fkey FOREIGN KEY (partner_id) REFERENCES public.partners(partner_id);


--
-- Name: SCHEMA public; Type: ACL; Schema: -; Owner: -
--

REVOKE USAGE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO exchange_ingest;
GRANT USAGE ON SCHEMA public TO exchange_outbox;
GRANT USAGE ON SCHEMA public TO exchange_normalize;
GRANT USAGE ON SCHEMA public TO exchange_lineage;
GRANT USAGE ON SCHEMA public TO exchange_redrive;
GRANT USAGE ON SCHEMA public TO exchange_erase;
GRANT USAGE ON SCHEMA public TO exchange_retain;
GRANT USAGE ON SCHEMA public TO exchange_replay;
GRANT USAGE ON SCHEMA public TO exchange_reconcile;


--
-- Name: TABLE audit_log; Type: ACL; Schema: public; Owner: -
--

GRANT INSERT ON TABLE public.audit_log TO exchange_ingest;
GRANT INSERT ON TABLE public.audit_log TO exchange_normalize;
GRANT INSERT ON TABLE public.audit_log TO exchange_redrive;
GRANT INSERT ON TABLE public.audit_log TO exchange_erase;
GRANT INSERT ON TABLE public.audit_log TO exchange_retain;
GRANT INSERT ON TABLE public.audit_log TO exchange_reconcile;
GRANT INSERT ON TABLE public.audit_log TO exchange_replay;


--
-- Name: TABLE canonical_claim_lines; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT ON TABLE public.canonical_claim_lines TO exchange_normalize;


--
-- Name: COLUMN canonical_claim_lines.record_id; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT(record_id) ON TABLE public.canonical_claim_lines TO exchange_lineage;
GRANT SELECT(record_id) ON TABLE public.canonical_claim_lines TO exchange_erase;


--
-- Name: TABLE canonical_claims; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT ON TABLE public.canonical_claims TO exchange_normalize;


--
-- Name: COLUMN canonical_claims.record_id; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT(record_id) ON TABLE public.canonical_claims TO exchange_lineage;
GRANT SELECT(record_id) ON TABLE public.canonical_claims TO exchange_erase;


--
-- Name: TABLE canonical_encounters; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT ON TABLE public.canonical_encounters TO exchange_normalize;


--
-- Name: COLUMN canonical_encounters.record_id; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT(record_id) ON TABLE public.canonical_encounters TO exchange_lineage;
GRANT SELECT(record_id) ON TABLE public.canonical_encounters TO exchange_erase;


--
-- Name: TABLE canonical_lab_observations; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT ON TABLE public.canonical_lab_observations TO exchange_normalize;


--
-- Name: COLUMN canonical_lab_observations.record_id; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT(record_id) ON TABLE public.canonical_lab_observations TO exchange_lineage;
GRANT SELECT(record_id) ON TABLE public.canonical_lab_observations TO exchange_erase;


--
-- Name: TABLE canonical_lab_results; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT ON TABLE public.canonical_lab_results TO exchange_normalize;


--
-- Name: COLUMN canonical_lab_results.record_id; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT(record_id) ON TABLE public.canonical_lab_results TO exchange_lineage;
GRANT SELECT(record_id) ON TABLE public.canonical_lab_results TO exchange_erase;


--
-- Name: TABLE canonical_records; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT ON TABLE public.canonical_records TO exchange_normalize;
GRANT SELECT ON TABLE public.canonical_records TO exchange_lineage;
GRANT SELECT,DELETE ON TABLE public.canonical_records TO exchange_erase;


--
-- Name: COLUMN canonical_records.record_id; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT(record_id) ON TABLE public.canonical_records TO exchange_replay;
GRANT SELECT(record_id) ON TABLE public.canonical_records TO exchange_reconcile;
GRANT SELECT(record_id) ON TABLE public.canonical_records TO exchange_retain;


--
-- Name: TABLE counters; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,UPDATE ON TABLE public.counters TO exchange_ingest;
GRANT SELECT,INSERT,UPDATE ON TABLE public.counters TO exchange_outbox;


--
-- Name: TABLE dead_letters; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT ON TABLE public.dead_letters TO exchange_normalize;
GRANT SELECT ON TABLE public.dead_letters TO exchange_redrive;
GRANT DELETE ON TABLE public.dead_letters TO exchange_retain;


--
-- Name: COLUMN dead_letters.dead_letter_id; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT(dead_letter_id) ON TABLE public.dead_letters TO exchange_lineage;
GRANT SELECT(dead_letter_id) ON TABLE public.dead_letters TO exchange_retain;


--
-- Name: COLUMN dead_letters.topic; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(topic) ON TABLE public.dead_letters TO exchange_normalize;
GRANT SELECT(topic) ON TABLE public.dead_letters TO exchange_lineage;


--
-- Name: COLUMN dead_letters.kafka_partition; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(kafka_partition) ON TABLE public.dead_letters TO exchange_normalize;
GRANT SELECT(kafka_partition) ON TABLE public.dead_letters TO exchange_lineage;


--
-- Name: COLUMN dead_letters.kafka_offset; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(kafka_offset) ON TABLE public.dead_letters TO exchange_normalize;
GRANT SELECT(kafka_offset) ON TABLE public.dead_letters TO exchange_lineage;


--
-- Name: COLUMN dead_letters.record_id; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT(record_id) ON TABLE public.dead_letters TO exchange_lineage;
GRANT SELECT(record_id) ON TABLE public.dead_letters TO exchange_erase;
GRANT SELECT(record_id) ON TABLE public.dead_letters TO exchange_reconcile;


--
-- Name: COLUMN dead_letters.event_id; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(event_id) ON TABLE public.dead_letters TO exchange_normalize;
GRANT SELECT(event_id) ON TABLE public.dead_letters TO exchange_lineage;


--
-- Name: COLUMN dead_letters.stage; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(stage) ON TABLE public.dead_letters TO exchange_normalize;
GRANT SELECT(stage) ON TABLE public.dead_letters TO exchange_lineage;


--
-- Name: COLUMN dead_letters.error_type; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(error_type) ON TABLE public.dead_letters TO exchange_normalize;
GRANT SELECT(error_type) ON TABLE public.dead_letters TO exchange_lineage;


--
-- Name: COLUMN dead_letters.error_message; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(error_message) ON TABLE public.dead_letters TO exchange_normalize;
GRANT SELECT(error_message) ON TABLE public.dead_letters TO exchange_lineage;


--
-- Name: COLUMN dead_letters.attempts; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(attempts) ON TABLE public.dead_letters TO exchange_normalize;
GRANT SELECT(attempts) ON TABLE public.dead_letters TO exchange_lineage;


--
-- Name: COLUMN dead_letters.failed_at; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(failed_at) ON TABLE public.dead_letters TO exchange_normalize;
GRANT SELECT(failed_at) ON TABLE public.dead_letters TO exchange_lineage;


--
-- Name: COLUMN dead_letters.event; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(event) ON TABLE public.dead_letters TO exchange_normalize;
GRANT UPDATE(event) ON TABLE public.dead_letters TO exchange_erase;


--
-- Name: COLUMN dead_letters.event_sha256; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(event_sha256) ON TABLE public.dead_letters TO exchange_normalize;
GRANT SELECT(event_sha256) ON TABLE public.dead_letters TO exchange_lineage;


--
-- Name: COLUMN dead_letters.state; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(state) ON TABLE public.dead_letters TO exchange_normalize;
GRANT SELECT(state) ON TABLE public.dead_letters TO exchange_lineage;
GRANT UPDATE(state) ON TABLE public.dead_letters TO exchange_redrive;
GRANT SELECT(state),UPDATE(state) ON TABLE public.dead_letters TO exchange_erase;
GRANT UPDATE(state) ON TABLE public.dead_letters TO exchange_reconcile;


--
-- Name: COLUMN dead_letters.redrives; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT(redrives) ON TABLE public.dead_letters TO exchange_lineage;
GRANT UPDATE(redrives) ON TABLE public.dead_letters TO exchange_redrive;


--
-- Name: COLUMN dead_letters.redriven_at; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT(redriven_at) ON TABLE public.dead_letters TO exchange_lineage;
GRANT UPDATE(redriven_at) ON TABLE public.dead_letters TO exchange_redrive;


--
-- Name: COLUMN dead_letters.closed_at; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(closed_at) ON TABLE public.dead_letters TO exchange_normalize;
GRANT SELECT(closed_at) ON TABLE public.dead_letters TO exchange_lineage;
GRANT UPDATE(closed_at) ON TABLE public.dead_letters TO exchange_redrive;
GRANT SELECT(closed_at),UPDATE(closed_at) ON TABLE public.dead_letters TO exchange_erase;
GRANT SELECT(closed_at),UPDATE(closed_at) ON TABLE public.dead_letters TO exchange_retain;
GRANT SELECT(closed_at),UPDATE(closed_at) ON TABLE public.dead_letters TO exchange_reconcile;


--
-- Name: COLUMN dead_letters.reason; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT(reason) ON TABLE public.dead_letters TO exchange_lineage;


--
-- Name: COLUMN dead_letters.refusal; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(refusal) ON TABLE public.dead_letters TO exchange_redrive;


--
-- Name: COLUMN dead_letters.refused_at; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(refused_at) ON TABLE public.dead_letters TO exchange_redrive;


--
-- Name: TABLE idempotency_keys; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,UPDATE ON TABLE public.idempotency_keys TO exchange_ingest;
GRANT DELETE ON TABLE public.idempotency_keys TO exchange_erase;
GRANT DELETE ON TABLE public.idempotency_keys TO exchange_retain;


--
-- Name: COLUMN idempotency_keys.key_hash; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT(key_hash) ON TABLE public.idempotency_keys TO exchange_erase;
GRANT SELECT(key_hash) ON TABLE public.idempotency_keys TO exchange_retain;


--
-- Name: COLUMN idempotency_keys.response; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT(response) ON TABLE public.idempotency_keys TO exchange_erase;


--
-- Name: COLUMN idempotency_keys.expires_at; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT(expires_at),UPDATE(expires_at) ON TABLE public.idempotency_keys TO exchange_retain;


--
-- Name: TABLE job_checkpoints; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.job_checkpoints TO exchange_replay;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.job_checkpoints TO exchange_reconcile;


--
-- Name: TABLE job_runs; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.job_runs TO exchange_replay;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.job_runs TO exchange_reconcile;


--
-- Name: TABLE outbox_events; Type: ACL; Schema: public; Owner: -
--

GRANT INSERT ON TABLE public.outbox_events TO exchange_ingest;
GRANT SELECT,DELETE ON TABLE public.outbox_events TO exchange_outbox;
GRANT INSERT ON TABLE public.outbox_events TO exchange_normalize;
GRANT INSERT ON TABLE public.outbox_events TO exchange_redrive;
GRANT DELETE ON TABLE public.outbox_events TO exchange_erase;
GRANT INSERT ON TABLE public.outbox_events TO exchange_replay;
GRANT INSERT ON TABLE public.outbox_events TO exchange_reconcile;


--
-- Name: COLUMN outbox_events.outbox_id; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT(outbox_id) ON TABLE public.outbox_events TO exchange_lineage;
GRANT SELECT(outbox_id) ON TABLE public.outbox_events TO exchange_replay;
GRANT SELECT(outbox_id) ON TABLE public.outbox_events TO exchange_reconcile;
GRANT SELECT(outbox_id) ON TABLE public.outbox_events TO exchange_erase;


--
-- Name: COLUMN outbox_events.shard; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT(shard) ON TABLE public.outbox_events TO exchange_lineage;
GRANT SELECT(shard) ON TABLE public.outbox_events TO exchange_erase;


--
-- Name: COLUMN outbox_events.topic; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT(topic) ON TABLE public.outbox_events TO exchange_lineage;
GRANT SELECT(topic) ON TABLE public.outbox_events TO exchange_replay;
GRANT SELECT(topic) ON TABLE public.outbox_events TO exchange_reconcile;


--
-- Name: COLUMN outbox_events.key; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT(key) ON TABLE public.outbox_events TO exchange_lineage;
GRANT SELECT(key) ON TABLE public.outbox_events TO exchange_erase;
GRANT SELECT(key) ON TABLE public.outbox_events TO exchange_replay;
GRANT SELECT(key) ON TABLE public.outbox_events TO exchange_reconcile;


--
-- Name: COLUMN outbox_events.created_at; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT(created_at) ON TABLE public.outbox_events TO exchange_ingest;
GRANT SELECT(created_at) ON TABLE public.outbox_events TO exchange_lineage;
GRANT SELECT(created_at) ON TABLE public.outbox_events TO exchange_replay;
GRANT SELECT(created_at) ON TABLE public.outbox_events TO exchange_reconcile;


--
-- Name: COLUMN outbox_events.attempts; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(attempts) ON TABLE public.outbox_events TO exchange_outbox;
GRANT SELECT(attempts) ON TABLE public.outbox_events TO exchange_lineage;


--
-- Name: COLUMN outbox_events.last_error; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(last_error) ON TABLE public.outbox_events TO exchange_outbox;
GRANT SELECT(last_error) ON TABLE public.outbox_events TO exchange_lineage;


--
-- Name: COLUMN outbox_events.published_at; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT(published_at) ON TABLE public.outbox_events TO exchange_ingest;
GRANT UPDATE(published_at) ON TABLE public.outbox_events TO exchange_outbox;
GRANT SELECT(published_at) ON TABLE public.outbox_events TO exchange_lineage;
GRANT SELECT(published_at),UPDATE(published_at) ON TABLE public.outbox_events TO exchange_erase;
GRANT SELECT(published_at) ON TABLE public.outbox_events TO exchange_replay;
GRANT SELECT(published_at) ON TABLE public.outbox_events TO exchange_reconcile;


--
-- Name: TABLE partner_sources; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT ON TABLE public.partner_sources TO exchange_ingest;
GRANT SELECT ON TABLE public.partner_sources TO exchange_normalize;
GRANT SELECT ON TABLE public.partner_sources TO exchange_erase;
GRANT SELECT ON TABLE public.partner_sources TO exchange_retain;
GRANT SELECT ON TABLE public.partner_sources TO exchange_replay;
GRANT SELECT ON TABLE public.partner_sources TO exchange_reconcile;
GRANT SELECT ON TABLE public.partner_sources TO exchange_redrive;


--
-- Name: TABLE partners; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT ON TABLE public.partners TO exchange_ingest;
GRANT SELECT ON TABLE public.partners TO exchange_normalize;
GRANT SELECT ON TABLE public.partners TO exchange_erase;
GRANT SELECT ON TABLE public.partners TO exchange_retain;
GRANT SELECT ON TABLE public.partners TO exchange_replay;
GRANT SELECT ON TABLE public.partners TO exchange_reconcile;
GRANT SELECT ON TABLE public.partners TO exchange_redrive;


--
-- Name: TABLE patient_tokens; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT ON TABLE public.patient_tokens TO exchange_normalize;


--
-- Name: COLUMN patient_tokens.record_id; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT(record_id) ON TABLE public.patient_tokens TO exchange_lineage;
GRANT SELECT(record_id) ON TABLE public.patient_tokens TO exchange_erase;


--
-- Name: COLUMN patient_tokens.profile; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT(profile) ON TABLE public.patient_tokens TO exchange_lineage;
GRANT SELECT(profile) ON TABLE public.patient_tokens TO exchange_erase;


--
-- Name: COLUMN patient_tokens.key_version; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT(key_version) ON TABLE public.patient_tokens TO exchange_lineage;
GRANT SELECT(key_version) ON TABLE public.patient_tokens TO exchange_erase;


--
-- Name: COLUMN patient_tokens.rule; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT(rule) ON TABLE public.patient_tokens TO exchange_lineage;
GRANT SELECT(rule) ON TABLE public.patient_tokens TO exchange_erase;


--
-- Name: COLUMN patient_tokens.token; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT(token) ON TABLE public.patient_tokens TO exchange_erase;


--
-- Name: TABLE processing_attempts; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT ON TABLE public.processing_attempts TO exchange_normalize;
GRANT SELECT ON TABLE public.processing_attempts TO exchange_lineage;
GRANT SELECT,DELETE ON TABLE public.processing_attempts TO exchange_retain;


--
-- Name: COLUMN processing_attempts.record_id; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT(record_id) ON TABLE public.processing_attempts TO exchange_reconcile;
GRANT SELECT(record_id) ON TABLE public.processing_attempts TO exchange_erase;


--
-- Name: COLUMN processing_attempts.stage; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT(stage) ON TABLE public.processing_attempts TO exchange_erase;


--
-- Name: COLUMN processing_attempts.started_at; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT(started_at) ON TABLE public.processing_attempts TO exchange_reconcile;
GRANT UPDATE(started_at) ON TABLE public.processing_attempts TO exchange_retain;


--
-- Name: COLUMN processing_attempts.finished_at; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(finished_at) ON TABLE public.processing_attempts TO exchange_normalize;
GRANT UPDATE(finished_at) ON TABLE public.processing_attempts TO exchange_erase;


--
-- Name: COLUMN processing_attempts.state; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(state) ON TABLE public.processing_attempts TO exchange_normalize;
GRANT SELECT(state),UPDATE(state) ON TABLE public.processing_attempts TO exchange_erase;


--
-- Name: COLUMN processing_attempts.error_code; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(error_code) ON TABLE public.processing_attempts TO exchange_normalize;
GRANT UPDATE(error_code) ON TABLE public.processing_attempts TO exchange_erase;


--
-- Name: TABLE processing_stage_state; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,UPDATE ON TABLE public.processing_stage_state TO exchange_normalize;
GRANT SELECT ON TABLE public.processing_stage_state TO exchange_lineage;
GRANT SELECT ON TABLE public.processing_stage_state TO exchange_redrive;
GRANT SELECT,INSERT,UPDATE ON TABLE public.processing_stage_state TO exchange_erase;
GRANT SELECT ON TABLE public.processing_stage_state TO exchange_replay;
GRANT SELECT ON TABLE public.processing_stage_state TO exchange_reconcile;


--
-- Name: COLUMN processing_stage_state.state; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(state) ON TABLE public.processing_stage_state TO exchange_redrive;
GRANT UPDATE(state) ON TABLE public.processing_stage_state TO exchange_replay;
GRANT UPDATE(state) ON TABLE public.processing_stage_state TO exchange_reconcile;


--
-- Name: COLUMN processing_stage_state.attempts; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(attempts) ON TABLE public.processing_stage_state TO exchange_redrive;
GRANT UPDATE(attempts) ON TABLE public.processing_stage_state TO exchange_replay;
GRANT UPDATE(attempts) ON TABLE public.processing_stage_state TO exchange_reconcile;


--
-- Name: COLUMN processing_stage_state.error_code; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(error_code) ON TABLE public.processing_stage_state TO exchange_redrive;
GRANT UPDATE(error_code) ON TABLE public.processing_stage_state TO exchange_replay;
GRANT UPDATE(error_code) ON TABLE public.processing_stage_state TO exchange_reconcile;


--
-- Name: COLUMN processing_stage_state.finished_at; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(finished_at) ON TABLE public.processing_stage_state TO exchange_redrive;
GRANT UPDATE(finished_at) ON TABLE public.processing_stage_state TO exchange_replay;
GRANT UPDATE(finished_at) ON TABLE public.processing_stage_state TO exchange_reconcile;


--
-- Name: TABLE raw_object_manifest; Type: ACL; Schema: public; Owner: -
--

GRANT INSERT ON TABLE public.raw_object_manifest TO exchange_ingest;
GRANT SELECT ON TABLE public.raw_object_manifest TO exchange_lineage;
GRANT SELECT,DELETE ON TABLE public.raw_object_manifest TO exchange_erase;
GRANT SELECT,INSERT ON TABLE public.raw_object_manifest TO exchange_replay;
GRANT SELECT,INSERT ON TABLE public.raw_object_manifest TO exchange_reconcile;


--
-- Name: COLUMN raw_object_manifest.record_id; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT(record_id) ON TABLE public.raw_object_manifest TO exchange_ingest;
GRANT SELECT(record_id) ON TABLE public.raw_object_manifest TO exchange_redrive;
GRANT SELECT(record_id) ON TABLE public.raw_object_manifest TO exchange_retain;


--
-- Name: COLUMN raw_object_manifest.partner_id; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT(partner_id) ON TABLE public.raw_object_manifest TO exchange_redrive;


--
-- Name: COLUMN raw_object_manifest.source; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT(source) ON TABLE public.raw_object_manifest TO exchange_redrive;


--
-- Name: COLUMN raw_object_manifest.route; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT(route) ON TABLE public.raw_object_manifest TO exchange_redrive;


--
-- Name: COLUMN raw_object_manifest.record_kind; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT(record_kind) ON TABLE public.raw_object_manifest TO exchange_redrive;


--
-- Name: COLUMN raw_object_manifest.schema_hint; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT(schema_hint) ON TABLE public.raw_object_manifest TO exchange_redrive;


--
-- Name: COLUMN raw_object_manifest.bucket; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT(bucket) ON TABLE public.raw_object_manifest TO exchange_retain;
GRANT SELECT(bucket) ON TABLE public.raw_object_manifest TO exchange_redrive;


--
-- Name: COLUMN raw_object_manifest.object_key; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT(object_key) ON TABLE public.raw_object_manifest TO exchange_retain;
GRANT SELECT(object_key) ON TABLE public.raw_object_manifest TO exchange_redrive;


--
-- Name: COLUMN raw_object_manifest.sha256; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT(sha256) ON TABLE public.raw_object_manifest TO exchange_redrive;


--
-- Name: COLUMN raw_object_manifest.size_bytes; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT(size_bytes) ON TABLE public.raw_object_manifest TO exchange_redrive;


--
-- Name: COLUMN raw_object_manifest.correlation_id; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT(correlation_id) ON TABLE public.raw_object_manifest TO exchange_ingest;
GRANT SELECT(correlation_id) ON TABLE public.raw_object_manifest TO exchange_redrive;


--
-- Name: COLUMN raw_object_manifest.occurred_at; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT(occurred_at) ON TABLE public.raw_object_manifest TO exchange_redrive;


--
-- Name: COLUMN raw_object_manifest.raw_deleted_at; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT(raw_deleted_at),UPDATE(raw_deleted_at) ON TABLE public.raw_object_manifest TO exchange_retain;
GRANT SELECT(raw_deleted_at) ON TABLE public.raw_object_manifest TO exchange_redrive;


--
-- Name: TABLE reconcile_findings; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.reconcile_findings TO exchange_reconcile;


--
-- Name: TABLE tombstones; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT ON TABLE public.tombstones TO exchange_normalize;
GRANT SELECT ON TABLE public.tombstones TO exchange_lineage;
GRANT SELECT,INSERT ON TABLE public.tombstones TO exchange_erase;
GRANT SELECT ON TABLE public.tombstones TO exchange_retain;
GRANT SELECT ON TABLE public.tombstones TO exchange_replay;
GRANT SELECT ON TABLE public.tombstones TO exchange_reconcile;


--
-- Name: COLUMN tombstones.record_id; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT(record_id) ON TABLE public.tombstones TO exchange_ingest;
GRANT SELECT(record_id) ON TABLE public.tombstones TO exchange_redrive;


--
-- Name: COLUMN tombstones.key_hash; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT(key_hash) ON TABLE public.tombstones TO exchange_ingest;


--
-- Name: COLUMN tombstones.deleted_rows; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(deleted_rows) ON TABLE public.tombstones TO exchange_erase;


--
-- Name: COLUMN tombstones.raw_deleted_at; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(raw_deleted_at) ON TABLE public.tombstones TO exchange_erase;
GRANT UPDATE(raw_deleted_at) ON TABLE public.tombstones TO exchange_retain;


--
-- Name: COLUMN tombstones.deleted_object_versions; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(deleted_object_versions) ON TABLE public.tombstones TO exchange_erase;
GRANT UPDATE(deleted_object_versions) ON TABLE public.tombstones TO exchange_retain;


--
-- PostgreSQL database dump complete
--
