"""Replay and reconcile jobs, as an operator starts and watches them."""
