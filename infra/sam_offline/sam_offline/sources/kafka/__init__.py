"""Kafka topics as event sources."""
