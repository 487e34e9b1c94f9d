-- name: write_records
-- Rows follow from the raw object alone: a second writer would write the same ones, so conflicts are ignored.
INSERT INTO canonical_records SELECT * FROM jsonb_populate_recordset(NULL::canonical_records, %(records)s)
ON CONFLICT DO NOTHING;
INSERT INTO patient_tokens SELECT * FROM jsonb_populate_recordset(NULL::patient_tokens, %(tokens)s)
ON CONFLICT DO NOTHING;

-- name: write_encounters
-- One statement for the whole batch.
INSERT INTO canonical_encounters SELECT * FROM jsonb_populate_recordset(NULL::canonical_encounters, %(rows)s)
ON CONFLICT DO NOTHING;

-- name: write_claims
-- Writes the claims, then their lines, which refer to them.
INSERT INTO canonical_claims SELECT * FROM jsonb_populate_recordset(NULL::canonical_claims, %(rows)s)
ON CONFLICT DO NOTHING;
INSERT INTO canonical_claim_lines SELECT * FROM jsonb_populate_recordset(NULL::canonical_claim_lines, %(details)s)
ON CONFLICT DO NOTHING;

-- name: write_lab_results
-- Writes the samples, then their observations, which refer to them.
INSERT INTO canonical_lab_results SELECT * FROM jsonb_populate_recordset(NULL::canonical_lab_results, %(rows)s)
ON CONFLICT DO NOTHING;
INSERT INTO canonical_lab_observations
SELECT * FROM jsonb_populate_recordset(NULL::canonical_lab_observations, %(details)s)
ON CONFLICT DO NOTHING;
