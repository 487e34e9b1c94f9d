"""Fault injection: the exchange is broken on purpose while partners send records."""
