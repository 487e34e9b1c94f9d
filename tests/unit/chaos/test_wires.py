"""The fault proxies recognise a protocol step however its bytes are split on arrival."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka.protocol.metadata import MetadataResponse
from kafka.protocol.producer import ProduceRequest, ProduceResponse

import exchange
from tests.chaos.kafka_wire import KafkaWire, refuse_produce
from tests.chaos.postgres_wire import STEPS, PostgresWire
from tests.chaos.s3_wire import S3Wire
from tests.chaos.steps import Passage, Step, Wire

PUT = b"PUT /raw/hospital-a/x.json HTTP/1.1\r\nHost: s3\r\nContent-Length: 4\r\n\r\nbody"
GET = b"GET /raw/hospital-a/x.json HTTP/1.1\r\nHost: s3\r\n\r\n"
LIST = b"GET /raw?list-type=2 HTTP/1.1\r\nHost: s3\r\n\r\n"
HEAD = b"HEAD /raw/hospital-a/x.json HTTP/1.1\r\nHost: s3\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"


def steps(passages: list[Passage]) -> list[Step | None]:
    return [passage.step for passage in passages]


@given(st.lists(st.integers(1, 40), min_size=1))
def test_a_put_and_a_get_are_seen_whole_in_whatever_pieces_they_come(sizes: list[int]) -> None:
    stream, passages = PUT + GET + LIST, list[Passage]()
    wire = S3Wire("raw")
    while stream:
        size = sizes[len(passages) % len(sizes)]
        passages += wire.take_requests(stream[:size])
        stream = stream[size:]
    assert [(passage.data, passage.step) for passage in passages] == [
        (PUT, Step.RAW_PUT),
        (GET, Step.RAW_GET),
        (LIST, None),
    ]


def test_answers_belong_to_their_requests_with_and_without_a_body() -> None:
    wire = S3Wire("raw")
    wire.take_requests(HEAD + PUT + GET)
    head_answer = b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n"
    passages = wire.take_answers(head_answer + OK + CHUNKED)
    assert [(passage.data, passage.step) for passage in passages] == [
        (head_answer, None),
        (OK, Step.RAW_PUT),
        (CHUNKED, Step.RAW_GET),
    ]


def query(text: bytes) -> bytes:
    return b"Q" + struct.pack(">i", len(text) + 5) + text + b"\0"


READY = b"Z" + struct.pack(">i", 5) + b"I"
DONE = b"C" + struct.pack(">i", 11) + b"COMMIT\0"


def greeted() -> PostgresWire:
    wire = PostgresWire()
    startup = struct.pack(">ii", 8 + 12, 196608) + b"user\0ingest\0"
    assert steps(wire.take_requests(struct.pack(">ii", 8, 80877103))) == [None]
    assert wire.take_answers(b"N") == [Passage(b"N")]
    wire.take_requests(startup)
    wire.take_answers(b"R" + struct.pack(">ii", 8, 0) + READY)
    return wire


@pytest.mark.parametrize(
    ("texts", "step"),
    [
        ([b"BEGIN; SELECT 1", b"INSERT INTO idempotency_keys (a); COMMIT"], Step.INGEST_COMMIT),
        ([b"BEGIN; INSERT INTO processing_stage_state", b"COMMIT"], Step.ATTEMPT_COMMIT),
        (
            [b"BEGIN; INSERT INTO canonical_records", b"UPDATE processing_stage_state", b"COMMIT"],
            Step.CANONICAL_COMMIT,
        ),
        ([b"BEGIN; SELECT", b"UPDATE outbox_events AS event SET attempts = 1; COMMIT"], Step.MARK_COMMIT),
        ([b"BEGIN; SELECT 1", b"COMMIT"], None),
        ([b"BEGIN; INSERT INTO canonical_records", b"ROLLBACK"], None),
    ],
)
def test_a_commit_is_known_by_what_its_transaction_wrote(texts: list[bytes], step: Step | None) -> None:
    wire = greeted()
    asked = steps(wire.take_requests(b"".join(map(query, texts))))
    answered = wire.take_answers((DONE + READY) * len(texts))
    assert asked == steps(answered) == [None] * (len(texts) - 1) + [step]


def test_half_an_answer_waits_and_is_not_lost_when_the_server_dies() -> None:
    wire = greeted()
    wire.take_requests(query(b"SELECT 1"))
    assert wire.take_answers(DONE + READY[:3]) == []
    assert wire.rest_of_answers() == DONE + READY[:3]


def produce_request(correlation_id: int, version: int = 9) -> bytes:
    partition = ProduceRequest.TopicProduceData.PartitionProduceData(index=1, records=b"records")
    topic = ProduceRequest.TopicProduceData(name="record.ingested.v1", partition_data=[partition])
    request = ProduceRequest(transactional_id=None, acks=-1, timeout_ms=5000, topic_data=[topic])
    request.API_VERSION = version
    request.with_header(correlation_id=correlation_id)
    encoded: bytes = request.encode(header=True, framed=True)
    return encoded


@pytest.mark.parametrize("version", [3, 7, 8, 9])
def test_a_refused_produce_is_answered_in_the_version_that_was_asked(version: int) -> None:
    answer = refuse_produce(produce_request(77, version))
    response = ProduceResponse.decode(answer[4:], version=version, header=True)
    (topic,) = response.responses
    assert (response.header.correlation_id, topic.name) == (77, "record.ingested.v1")
    assert [(p.index, p.error_code) for p in topic.partition_responses] == [(1, 19)]


def test_a_broker_that_names_its_port_is_made_to_name_the_proxy_s() -> None:
    wire = KafkaWire(broker_port=19092, proxy_port=45000)
    asked = struct.pack(">ihhi", 8, 3, 8, 5)
    wire.take_requests(asked)
    broker = MetadataResponse.MetadataResponseBroker(node_id=1, host="127.0.0.1", port=19092, rack=None)
    response = MetadataResponse(brokers=[broker], topics=[], cluster_id="c", controller_id=1)
    response.API_VERSION = 8
    response.with_header(correlation_id=5)
    (passage,) = wire.take_answers(response.encode(header=True, framed=True))
    decoded = MetadataResponse.decode(passage.data[4:], version=8, header=True)
    assert [(b.host, b.port) for b in decoded.brokers] == [("127.0.0.1", 45000)]


def test_kafka_answers_are_known_by_their_number_and_not_by_their_order() -> None:
    wire: Wire = KafkaWire(1, 2)
    fetch, commit = struct.pack(">ihhi", 8, 1, 4, 10), struct.pack(">ihhi", 8, 8, 2, 11)
    assert steps(wire.take_requests(produce_request(9) + fetch + commit)) == [
        Step.PRODUCE,
        Step.FETCH,
        Step.OFFSET_COMMIT,
    ]
    answers = b"".join(struct.pack(">ii", 4, correlation_id) for correlation_id in (11, 9, 10))
    assert steps(wire.take_answers(answers[:6]) + wire.take_answers(answers[6:])) == [
        Step.OFFSET_COMMIT,
        Step.PRODUCE,
        Step.FETCH,
    ]


def test_what_a_step_is_known_by_is_what_the_exchange_says() -> None:
    said = b"".join(queries.read_bytes() for queries in Path(exchange.__file__).parent.glob("*/queries.sql"))
    assert [sign for sign, _ in STEPS if sign not in said] == []
