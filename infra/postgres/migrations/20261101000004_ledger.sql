-- migrate:up

CREATE TABLE processing_stage_state (
    record_id uuid NOT NULL,
    stage text NOT NULL,
    state text NOT NULL CHECK (state IN ('running', 'succeeded', 'failed_retryable', 'dlq')),
    attempts integer NOT NULL CHECK (attempts >= 0),
    event_id uuid NOT NULL,
    -- tells an attempt cut short by the death of its environment from one its own environment gave back
    environment_id text NOT NULL,
    error_code text,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at timestamptz,
    PRIMARY KEY (record_id, stage)
) WITH (fillfactor = 70);

CREATE TABLE dead_letters (
    dead_letter_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic text NOT NULL,
    kafka_partition integer NOT NULL,
    kafka_offset bigint NOT NULL,
    -- null when the event could not be read
    record_id uuid,
    event_id uuid,
    stage text NOT NULL CHECK (stage IN
        ('parse_event', 'start_attempt', 'fetch_raw_object', 'normalize', 'write_canonical')),
    error_type text NOT NULL,
    error_message text NOT NULL,
    attempts integer NOT NULL,
    failed_at timestamptz NOT NULL,
    -- an event that is delivered again is not counted again
    UNIQUE (topic, kafka_partition, kafka_offset)
);
CREATE INDEX dead_letters_by_record ON dead_letters (record_id);

-- migrate:down
DROP TABLE dead_letters, processing_stage_state;
