"""Events that a transaction has written and that are published to Kafka afterwards."""
