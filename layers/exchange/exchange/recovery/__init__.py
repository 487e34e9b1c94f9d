"""Recovery after a failure: replay from the bucket, reconciliation of the bucket with the tables, and repair."""
