"""The outbox: events written in a transaction and published to Kafka afterwards."""
