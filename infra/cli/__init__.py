"""The `exchange` command: it starts the local system and is a client of its HTTP and Lambda APIs."""
