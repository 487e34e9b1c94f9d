"""The permanent erasure of records, or of all records of a person at a partner, with a receipt as proof."""
