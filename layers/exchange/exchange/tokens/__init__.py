"""Tokens: keyed hashes of people and identifiers. No other room ever holds a token key."""
