"""The template: what it declares, as plain values."""
