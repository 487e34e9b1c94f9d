"""The producer to Kafka, which outbox-publish alone uses."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from kafka import KafkaProducer
from kafka.errors import DuplicateSequenceNumberError, KafkaError, KafkaTimeoutError
from kafka.future import Future

from exchange.platform.secrets import read_json_secret
from exchange.platform.settings import load_settings

PRODUCE_TIMEOUT_SECONDS = 10.0
# The longest that a send waits for its topic's partitions.
MAX_BLOCK_SECONDS = 3.0
# Pending messages have been aborted: only the thread is left to wait for.
CLOSE_TIMEOUT_SECONDS = 1.0


@dataclass(frozen=True)
class Message:
    """A record to send to a topic."""

    topic: str
    key: bytes = field(repr=False)
    value: bytes = field(repr=False)


class Bus:
    """A producer that is kept between invokes and thrown away after any failure.

    After a failure it may still send what it holds, out of turn; the outbox sends that again anyway.
    """

    def __init__(
        self,
        brokers: Sequence[str],
        secret_arn: str = "",
        *,
        timeout_seconds: float = PRODUCE_TIMEOUT_SECONDS,
    ) -> None:
        self._brokers = list(brokers)
        self._timeout_seconds = timeout_seconds
        self._secret_arn = secret_arn
        self._producer: KafkaProducer | None = None

    def produce(self, messages: Sequence[Message]) -> list[str | None]:
        """Produce messages; return for each None when all in-sync replicas have it, else the name of the error.

        Takes at most `timeout_seconds`, or MAX_BLOCK_SECONDS if that is more. An unavailable topic delays no other.
        Messages with one key keep their order: after a failed message the later ones of its key fail, too, even where
        the replicas have them, and are sent again behind it.
        """
        deadline = time.monotonic() + self._timeout_seconds
        outcomes = [
            _outcome_of(sent, deadline) if isinstance(sent, Future) else sent
            for sent in self._send(messages, deadline)
        ]
        failed: dict[bytes, str] = {}
        for number, message in enumerate(messages):
            if (outcome := outcomes[number]) is not None:
                failed.setdefault(message.key, outcome)
            outcomes[number] = failed.get(message.key)
        if failed:
            self._discard()
        return outcomes

    def _send(self, messages: Sequence[Message], deadline: float) -> list[Future | str]:
        """Send messages; return for each its future, or the error: no broker, or no topic in time."""
        closed: dict[str, str] = {}
        sent: list[Future | str] = []
        try:
            producer = self._live_producer()
        except KafkaError as error:
            return [type(error).__name__] * len(messages)
        for message in messages:
            if message.topic not in closed:
                try:
                    if closed and time.monotonic() + MAX_BLOCK_SECONDS > deadline:
                        raise KafkaTimeoutError
                    sent.append(producer.send(message.topic, key=message.key, value=message.value))
                    continue
                except KafkaError as error:
                    closed[message.topic] = type(error).__name__
            sent.append(closed[message.topic])
        return sent

    def close(self) -> None:
        self._discard()

    def _live_producer(self) -> KafkaProducer:
        if self._producer is None:
            self._producer = KafkaProducer(
                bootstrap_servers=self._brokers,
                acks="all",
                enable_idempotence=True,
                batch_size=256 * 1024,
                bootstrap_timeout_ms=3_000,
                max_block_ms=int(MAX_BLOCK_SECONDS * 1000),
                request_timeout_ms=5_000,
                delivery_timeout_ms=9_000,
                reconnect_backoff_max_ms=1_000,
                metrics_enabled=False,
                **_access(self._secret_arn),
            )
        return self._producer

    def _discard(self) -> None:
        producer, self._producer = self._producer, None
        if producer is None:
            return
        # close() alone flushes first. While messages are pending it raises before it ends the sender's thread, which
        # would go on sending. kafka-python 3.0.12 has no public way to stop it;
        # tests/integration/exchange/test_outbox.py checks that the thread is gone.
        producer._sender.force_close()
        with suppress(KafkaError):
            producer.close(timeout=CLOSE_TIMEOUT_SECONDS)


def _outcome_of(future: Future, deadline: float) -> str | None:
    try:
        written = future.get(timeout=max(deadline - time.monotonic(), 0.001))
    except KafkaError as error:
        return type(error).__name__
    # Without an offset, the broker knows the batch's sequence number but not where the batch is. kafka-python takes
    # that for success, yet a broker whose write failed after it had counted the number answers the same and has
    # nothing.
    return None if written.offset >= 0 else DuplicateSequenceNumberError.__name__


def _access(secret_arn: str) -> dict[str, Any]:
    """Return the options for SASL/SCRAM over TLS as the secret's user; without a secret, plain text."""
    if not secret_arn:
        return {}
    secret = read_json_secret(secret_arn)
    return {
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": secret["username"],
        "sasl_plain_password": secret["password"],
    }


@cache
def bus() -> Bus:
    """Return this environment's bus."""
    settings = load_settings()
    return Bus(settings.require("kafka_brokers").split(","), settings.kafka_secret_arn)
