"""The ledger: the attempts at each record, and their outcomes."""
