-- migrate:up

-- On what ground an operator acted, where one was named. The functions' right to insert rows is their right to name it.
ALTER TABLE audit_log
    ADD COLUMN case_ref text
        -- a ticket's number: a sentence could hold a name, and this table forgets nothing
        CONSTRAINT a_case_is_a_number_and_no_sentence CHECK (case_ref ~ '^[A-Za-z0-9][A-Za-z0-9._/#-]{0,63}$');
-- An auditor asks what was done for a case; almost no row has one.
CREATE INDEX audit_log_by_case ON audit_log (case_ref) WHERE case_ref IS NOT NULL;

-- migrate:down
DROP INDEX audit_log_by_case;
ALTER TABLE audit_log DROP COLUMN case_ref;
