"""One invocation, and what becomes of it when nobody waits for its answer."""
