"""Records: an event becomes a canonical row, exactly once, or a dead letter."""
