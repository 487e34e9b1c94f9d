"""The retention of data: its deletion after the agreed time."""
