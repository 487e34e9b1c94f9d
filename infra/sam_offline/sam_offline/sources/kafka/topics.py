"""Which partitions a source's topics have, and whether a topic is still the one that it was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kafka import KafkaAdminClient
from kafka.errors import KafkaError

_TIMEOUT_MS = 3000


@dataclass(frozen=True, slots=True)
class KafkaTopic:
    """`id` tells a topic from one of its name that was made later; empty where the broker knows none."""

    id: str
    partitions: tuple[int, ...]


class KafkaTopics:
    """Asks the brokers over one connection. Blocking, for one thread at a time."""

    def __init__(self, bootstrap_servers: Sequence[str], names: Sequence[str]) -> None:
        self._bootstrap_servers = list(bootstrap_servers)
        self._names = list(names)
        self._admin: KafkaAdminClient | None = None

    def describe(self) -> Mapping[str, KafkaTopic]:
        """Return the topics that there are, by name; none is made by asking. Raises KafkaError or OSError."""
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
