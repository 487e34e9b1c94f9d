"""The partitions of a source's topics, and the identity of each topic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kafka import KafkaAdminClient
from kafka.errors import KafkaError

_TIMEOUT_MS = 3000


@dataclass(frozen=True, slots=True)
class KafkaTopic:
    """The partitions and id of a topic.

    The id differs from that of a later topic with the same name; it is empty if the broker does not know one.
    """

    id: str
    partitions: tuple[int, ...]


class KafkaTopics:
    """Asks the brokers over one connection. It blocks, and is for one thread at a time."""

    def __init__(self, bootstrap_servers: Sequence[str], names: Sequence[str]) -> None:
        self._bootstrap_servers = list(bootstrap_servers)
        self._names = list(names)
        self._admin: KafkaAdminClient | None = None

    def describe(self) -> Mapping[str, KafkaTopic]:
        """Return the existing topics by name, without creating any. Raises KafkaError or OSError."""
        try:
            if self._admin is None:
                self._admin = KafkaAdminClient(
                    bootstrap_servers=self._bootstrap_servers,
                    request_timeout_ms=_TIMEOUT_MS,
                    bootstrap_timeout_ms=_TIMEOUT_MS,
                )
            described = self._admin.describe_topics(self._names)
        except (KafkaError, OSError):
            self.close()
            raise
        return {
            topic["name"]: KafkaTopic(
                str(topic["topic_id"] or ""),
                tuple(sorted(partition["partition_index"] for partition in topic["partitions"])),
            )
            for topic in described
            if topic["error_code"] == 0 and topic["partitions"]
        }

    def close(self) -> None:
        if self._admin is not None:
            self._admin.close()
            self._admin = None
