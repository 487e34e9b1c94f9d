"""Lambda's rules for Kafka sources, each with a topic and a source of its own in one runner."""

from __future__ import annotations

import base64
import json
import time
import uuid
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition

from infra.embedded import S3Endpoint
from integration.running import Broker, Running, running_as, wait_until

CLUSTER = "arn:aws:kafka:us-east-1:123456789012:cluster/shop/1a-2"
HOUR_MS = 3_600_000
PARTITIONS = {"shared": 4}
NAMES = (
    "filtered",
    "managed",
    "bisected",
    "shared",
    "failed",
    "aged",
    "latest",
    "timed",
    "disabled",
    "remade",
)


@dataclass(frozen=True)
class Sources:
    """A runner with every source of the template, its topics, and the events of its functions."""

    runner: Running
    brokers: str
    prefix: str
    journal: Path
    bucket: str
    s3: Any
    since_ms: int

    def topic(self, name: str) -> str:
        return f"{self.prefix}-{name}"

    def produce(self, name: str, *values: str, partition: int = 0, timestamp_ms: int | None = None) -> None:
        produce(self.brokers, self.topic(name), values, partition, timestamp_ms)

    def invokes(self, name: str) -> list[dict[str, Any]]:
        """Return each invocation with records of that topic."""
        if not self.journal.exists():
            return []
        entries = [json.loads(line) for line in self.journal.read_text().splitlines()]
        return [entry for entry in entries if entry["partition"].startswith(self.topic(name) + "-")]

    def values(self, name: str) -> list[str]:
        return [value for invoke in self.invokes(name) for value in invoke["values"]]

    def state(self, name: str) -> dict[str, Any]:
        state: dict[str, Any] = self.runner.status()["event_sources"][name]
        return state

    def committed(self, name: str, group: str, partition: int = 0) -> int | None:
        with closing(KafkaConsumer(bootstrap_servers=self.brokers, group_id=group)) as consumer:
            offset: int | None = consumer.committed(TopicPartition(self.topic(name), partition))
            return offset

    def kept(self, partition: str) -> dict[str, dict[str, Any]]:
        """Return the objects that were kept for a partition, by key."""
        listed = self.s3.list_objects_v2(Bucket=self.bucket, Prefix="aws/lambda/").get("Contents", [])
        keys = [item["Key"] for item in listed if item["Key"].split("/")[3] == f"{self.prefix}-{partition}"]
        return {
            key: json.loads(self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()) for key in keys
        }

    def post(self, path: str, body: Any = None) -> requests.Response:
        return requests.post(self.runner.endpoints["admin"] + path, json=body, timeout=90)


def produce(
    brokers: str, topic: str, values: tuple[str, ...], partition: int = 0, timestamp_ms: int | None = None
) -> None:
    with closing(KafkaProducer(bootstrap_servers=brokers)) as producer:
        for value in values:
            producer.send(topic, value.encode(), key=b"key", partition=partition, timestamp_ms=timestamp_ms)
        producer.flush()


@pytest.fixture(scope="module")
def sources(
    broker: Broker, s3: S3Endpoint, s3_client: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Sources]:
    prefix = f"rules-{uuid.uuid4().hex[:8]}"
    folder = tmp_path_factory.mktemp("sources")
    kafka_brokers = broker.address
    for name in NAMES:
        broker.create(f"{prefix}-{name}", PARTITIONS.get(name, 1))
    s3_client.create_bucket(Bucket=prefix)
    since_ms = int(time.time() * 1000) - HOUR_MS
    produce(kafka_brokers, f"{prefix}-latest", ("before-1", "before-2"))
    produce(kafka_brokers, f"{prefix}-timed", ("old-1", "old-2"), timestamp_ms=since_ms - HOUR_MS)
    produce(kafka_brokers, f"{prefix}-timed", ("new-1",), timestamp_ms=since_ms + 1)
    aws = {
        "AWS_ACCESS_KEY_ID": s3.access_key,
        "AWS_SECRET_ACCESS_KEY": s3.secret_key,
        "AWS_ENDPOINT_URL_S3": s3.url,
    }
    parameters = {
        "Brokers": kafka_brokers,
        "Prefix": prefix,
        "Journal": str(folder / "journal.jsonl"),
        "Bucket": prefix,
        "Since": str(since_ms / 1000),
    }
    options = [f"--msk-brokers={kafka_brokers}"]
    with running_as(aws, folder / "output.txt", options, "sources.yaml", parameters) as runner:
        yield Sources(runner, kafka_brokers, prefix, folder / "journal.jsonl", prefix, s3_client, since_ms)
    s3_client.delete_bucket(Bucket=prefix)


def test_a_filter_lets_through_what_one_of_its_patterns_matches(sources: Sources) -> None:
    wanted = ['{"kind": "order-1", "total": 11}', '{"kind": "refund"}', '{"kind": "order-2", "total": 10.5}']
    sources.produce("filtered", '{"kind": "order", "total": 10}', wanted[0], '{"kind": "note"}', *wanted[1:])
    wait_until(lambda: len(sources.values("filtered")) == 3)
    assert sources.values("filtered") == wanted
    # What is left out is passed over for good, even behind the last record that is wanted.
    sources.produce("filtered", '{"kind": "note"}')
    wait_until(lambda: sources.state("ReaderFunctionFiltered")["filtered"] == 3)
    wait_until(lambda: sources.committed("filtered", "lambda-ReaderFunctionFiltered") == 6)


def test_a_source_of_msk_gets_its_brokers_from_the_command_line(sources: Sources) -> None:
    sources.produce("managed", "a")
    wait_until(lambda: sources.values("managed") == ["a"])
    (invoke,) = sources.invokes("managed")
    assert (invoke["source"], invoke["cluster"]) == ("aws:kafka", CLUSTER)


def test_a_batch_is_split_until_what_is_bad_is_alone_and_kept_with_all_that_it_was(sources: Sources) -> None:
    sources.produce("bisected", "a", "b", "c", "bad", "d", "e")
    wait_until(lambda: len(sources.kept("bisected-0")) == 1)
    wait_until(lambda: sources.committed("bisected", "lambda-Bisected") == 6)
    succeeded = [invoke["values"] for invoke in sources.invokes("bisected") if "bad" not in invoke["values"]]
    assert [value for values in succeeded for value in values] == ["a", "b", "c", "d", "e"]
    # Alone it is tried once and once again: splitting is no retry.
    assert [invoke["values"] for invoke in sources.invokes("bisected")].count(["bad"]) == 2
    ((key, record),) = sources.kept("bisected-0").items()
    aws, service, mapping, partition, year, month, day, name = key.split("/")
    assert (aws, service, partition) == ("aws", "lambda", f"{sources.prefix}-bisected-0")
    assert str(uuid.UUID(mapping)) == mapping
    assert name.startswith(f"{year}-{month}-{day}T")
    uuid.UUID(name[-36:])
    assert record["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert record["requestContext"]["approximateInvokeCount"] == 2
    assert record["requestContext"]["functionArn"].endswith(":function:ReaderFunction")
    assert record["responseContext"] == {
        "statusCode": 200,
        "executedVersion": "$LATEST",
        "functionError": "Unhandled",
    }
    information = record["KafkaBatchInfo"]
    assert (information["batchSize"], information["bootstrapServers"]) == (1, sources.brokers)
    (offsets,) = information["recordsInfo"].values()
    assert (offsets["firstRecordOffset"], offsets["lastRecordOffset"]) == ("3", "3")
    event = json.loads(record["payload"])
    assert information["payloadSize"] == len(record["payload"])
    ((kept,),) = event["records"].values()
    assert base64.b64decode(kept["value"]) == b"bad"


def test_what_fails_goes_to_a_topic_record_by_record_with_its_key(sources: Sources) -> None:
    sources.produce("shared", "bad-1", "bad-2", partition=1)
    with closing(KafkaConsumer(bootstrap_servers=sources.brokers)) as consumer:
        partition = TopicPartition(sources.topic("failed"), 0)
        consumer.assign([partition])
        consumer.seek(partition, 0)
        failed: list[Any] = []
        deadline = time.monotonic() + 60
        while len(failed) < 2 and time.monotonic() < deadline:
            failed += consumer.poll(timeout_ms=500).get(partition, [])
    assert [record.key for record in failed] == [b"key", b"key"]
    documents = [json.loads(record.value) for record in failed]
    for number, document in enumerate(documents):
        assert document["requestContext"]["condition"] == "RetriesExhausted"
        assert document["requestContext"]["functionArn"].endswith(":function:ReaderFunction:$LATEST")
        assert document["KafkaBatchInfo"]["batchSize"] == 1
        assert document["KafkaBatchInfo"]["recordInfo"]["offset"] == str(number)
        ((kept,),) = document["payload"]["records"].values()
        assert base64.b64decode(kept["value"]) == f"bad-{number + 1}".encode()
    sources.produce("shared", "good", partition=1)
    wait_until(lambda: "good" in sources.values("shared"))


def test_pollers_share_the_partitions_and_are_never_more(sources: Sources) -> None:
    wait_until(lambda: sources.state("Shared")["connected"] and sources.state("Aged")["connected"])
    assert (sources.state("Shared")["pollers"], sources.state("Shared")["partitions"]) == (3, 4)
    assert sources.state("Aged")["pollers"] == 1
    for partition in (0, 2, 3):
        sources.produce("shared", f"in-{partition}", partition=partition)
    wait_until(lambda: {"in-0", "in-2", "in-3"} <= set(sources.values("shared")))


def test_a_record_past_its_age_is_kept_and_never_given_to_the_function(sources: Sources) -> None:
    before = len(sources.kept("aged-0"))
    sources.produce("aged", "old", timestamp_ms=int(time.time() * 1000) - 2 * HOUR_MS)
    sources.produce("aged", "young")
    wait_until(lambda: "young" in sources.values("aged"))
    assert "old" not in sources.values("aged")
    wait_until(lambda: len(sources.kept("aged-0")) == before + 1)
    record = list(sources.kept("aged-0").values())[-1]
    assert record["requestContext"]["condition"] == "RecordAgeExceeded"
    assert (record["requestContext"]["approximateInvokeCount"], record["responseContext"]) == (0, None)


def test_retries_end_when_the_record_is_too_old_by_a_clock_that_a_test_has_moved(sources: Sources) -> None:
    kept_before = set(sources.kept("aged-0"))
    sources.produce("aged", "bad-for-ever")
    wait_until(lambda: sources.values("aged").count("bad-for-ever") >= 2)
    assert sources.post("/clock", {"advance_seconds": 3601}).status_code == 200
    wait_until(lambda: len(sources.kept("aged-0")) == len(kept_before) + 1)
    (key,) = set(sources.kept("aged-0")) - kept_before
    record = sources.kept("aged-0")[key]
    assert record["requestContext"]["condition"] == "RecordAgeExceeded"
    assert record["requestContext"]["approximateInvokeCount"] >= 2
    assert record["responseContext"]["functionError"] == "Unhandled"


def test_latest_begins_behind_what_was_there_before(sources: Sources) -> None:
    wait_until(lambda: sources.committed("latest", "lambda-Latest") == 2)
    sources.produce("latest", "after")
    wait_until(lambda: sources.values("latest") == ["after"])


def test_a_timestamp_begins_at_the_first_record_that_is_not_older(sources: Sources) -> None:
    wait_until(lambda: sources.values("timed") == ["new-1"])
    # Only the beginning is looked for by time: what follows comes as it comes.
    sources.produce("timed", "late", timestamp_ms=sources.since_ms - 2 * HOUR_MS)
    wait_until(lambda: sources.values("timed") == ["new-1", "late"])


def test_a_disabled_source_runs_when_resumed_and_a_paused_one_goes_on_where_it_was(sources: Sources) -> None:
    assert sources.state("Disabled")["state"] == "paused"
    sources.produce("disabled", "a")
    assert sources.post("/sources/Disabled/resume").json() == {"source": "Disabled", "state": "running"}
    wait_until(lambda: sources.values("disabled") == ["a"])
    assert sources.post("/sources/Disabled/pause").json() == {"source": "Disabled", "state": "paused"}
    assert sources.committed("disabled", "lambda-Disabled") == 1
    sources.produce("disabled", "b")
    assert (sources.state("Disabled")["pollers"], sources.state("Disabled")["processed"]) == (0, 1)
    assert sources.values("disabled") == ["a"]
    sources.post("/sources/Disabled/resume")
    wait_until(lambda: sources.values("disabled") == ["a", "b"])
    assert sources.post("/sources/Nobody/pause").status_code == 404


def test_a_topic_that_is_deleted_and_made_anew_is_read_from_its_beginning(
    sources: Sources, broker: Broker
) -> None:
    sources.produce("remade", "a", "b", "c")
    wait_until(lambda: sources.committed("remade", "lambda-Remade") == 3)
    with closing(KafkaAdminClient(bootstrap_servers=sources.brokers)) as admin:
        admin.delete_topics([sources.topic("remade")])
    broker.create(sources.topic("remade"))
    sources.produce("remade", "d", "e")
    wait_until(lambda: sources.values("remade") == ["a", "b", "c", "d", "e"])
    wait_until(lambda: sources.committed("remade", "lambda-Remade") == 2)
    sources.produce("remade", "f")
    wait_until(lambda: sources.values("remade")[-1] == "f")


def test_a_source_and_a_schedule_that_are_not_run_here_do_no_harm(sources: Sources) -> None:
    wait_until(lambda: "Queued: its source is sqs, which is not run here" in sources.runner.log())
    assert "Queued" not in sources.runner.status()["event_sources"]
    assert sources.runner.status()["schedules"] == {}


def test_a_destination_that_is_not_run_here_is_named_and_so_is_what_would_go_there(sources: Sources) -> None:
    wait_until(
        lambda: "Remade: its on-failure destination is sqs, which is not run here" in sources.runner.log()
    )
    sources.produce("remade", "bad")
    wait_until(lambda: f"{sources.topic('remade')}-0 gives up offsets" in sources.runner.log())
    sources.produce("remade", "next")
    wait_until(lambda: sources.values("remade")[-1] == "next")
    assert sources.state("Remade")["given_up"] == 1
