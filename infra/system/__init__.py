"""The exchange on one machine: its addresses, services, database and processes. Command line and compose share it."""
