"""A function's processes."""
