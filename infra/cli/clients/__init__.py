"""Clients of a running system: its Lambda Invoke API and the runner's admin port."""
