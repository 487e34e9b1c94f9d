"""Erasure of a record, or of all records of a person at a partner: for good, with proof."""
