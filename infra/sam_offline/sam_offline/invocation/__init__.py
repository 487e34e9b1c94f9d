"""Invocations, asynchronous invocations and their destinations."""
