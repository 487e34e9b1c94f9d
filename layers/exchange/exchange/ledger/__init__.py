"""The ledger: which record was tried how often, and what became of it."""
