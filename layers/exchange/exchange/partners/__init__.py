"""The partners as data: the sources that each owns, and the mappings that each may use."""
