"""Events that were decided in a transaction and leave for Kafka afterwards."""
