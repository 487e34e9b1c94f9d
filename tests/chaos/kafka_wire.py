"""The Kafka protocol between a client and the broker, read to recognise produce, fetch and commit requests.

https://kafka.apache.org/protocol.html
"""

from __future__ import annotations

import struct

from kafka.protocol.producer import ProduceRequest, ProduceResponse

from tests.chaos.steps import Passage, Step

METADATA, FIND_COORDINATOR = 3, 10
STEPS = {0: Step.PRODUCE, 1: Step.FETCH, 8: Step.OFFSET_COMMIT}
NOT_ENOUGH_REPLICAS = 19
HOST = b"127.0.0.1"


class KafkaWire:
    """Frames of a connection, with answers matched to requests; the broker's port in answers becomes the proxy's."""

    def __init__(self, broker_port: int, proxy_port: int) -> None:
        self._broker = HOST + struct.pack(">i", broker_port)
        self._proxy = HOST + struct.pack(">i", proxy_port)
        self._requests = b""
        self._answers = b""
        self._asked: dict[int, int] = {}

    def take_requests(self, data: bytes) -> list[Passage]:
        frames, self._requests = _frames(self._requests + data)
        passages = []
        for frame in frames:
            api_key, _, correlation_id = struct.unpack_from(">hhi", frame, 4)
            self._asked[correlation_id] = api_key
            passages.append(Passage(frame, STEPS.get(api_key)))
        return passages

    def take_answers(self, data: bytes) -> list[Passage]:
        frames, self._answers = _frames(self._answers + data)
        passages = []
        for frame in frames:
            (correlation_id,) = struct.unpack_from(">i", frame, 4)
            api_key = self._asked.pop(correlation_id, -1)
            says_port = api_key in {METADATA, FIND_COORDINATOR}
            answer = frame.replace(self._broker, self._proxy) if says_port else frame
            passages.append(Passage(answer, STEPS.get(api_key)))
        return passages

    def rest_of_answers(self) -> bytes:
        return self._answers


def refuse_produce(frame: bytes) -> bytes:
    """Return the broker's answer to a produce that it did not append for lack of replicas."""
    return _answer_produce(frame, NOT_ENOUGH_REPLICAS, base_offset=-1)


def acknowledge_produce(frame: bytes) -> bytes:
    """Return the answer of a broker that acknowledges a produce but has appended nothing."""
    return _answer_produce(frame, error_code=0, base_offset=0)


def _answer_produce(frame: bytes, error_code: int, base_offset: int) -> bytes:
    request, version, correlation_id = _read_produce(frame)
    partition_response = ProduceResponse.TopicProduceResponse.PartitionProduceResponse
    topics = [
        ProduceResponse.TopicProduceResponse(
            name=topic.name,
            partition_responses=[
                partition_response(index=partition.index, error_code=error_code, base_offset=base_offset)
                for partition in topic.partition_data
            ],
        )
        for topic in request.topic_data
    ]
    return _encode_answer(ProduceResponse(responses=topics, throttle_time_ms=0), version, correlation_id)


def _read_produce(frame: bytes) -> tuple[ProduceRequest, int, int]:
    _, version, correlation_id = struct.unpack_from(">hhi", frame, 4)
    return ProduceRequest.decode(frame[4:], version=version, header=True), version, correlation_id


def _encode_answer(answer: ProduceResponse, version: int, correlation_id: int) -> bytes:
    answer.API_VERSION = version
    answer.with_header(correlation_id=correlation_id)
    encoded: bytes = answer.encode(header=True, framed=True)
    return encoded


def _frames(data: bytes) -> tuple[list[bytes], bytes]:
    frames = []
    at = 0
    while len(data) >= at + 4:
        (size,) = struct.unpack_from(">i", data, at)
        if len(data) < at + 4 + size:
            break
        frames.append(data[at : at + 4 + size])
        at += 4 + size
    return frames, data[at:]
