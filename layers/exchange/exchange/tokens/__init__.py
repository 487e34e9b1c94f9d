"""Tokens: keyed hashes of identifiers. No other package ever holds a token key."""
