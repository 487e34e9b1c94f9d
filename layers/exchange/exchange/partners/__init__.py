"""Partners are data: who owns which source, and which mappings each may use."""
