"""Tokens: identifiers in, keyed hashes out. The only room that ever holds a token key."""
