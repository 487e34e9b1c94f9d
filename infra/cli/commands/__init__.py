"""The commands of `exchange`, one a module."""
