"""Erasing a record, or all records of a person at a partner: for good, and provably."""
