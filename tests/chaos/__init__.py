"""The exchange, broken on purpose while partners send to it."""
