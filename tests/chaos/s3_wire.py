"""HTTP/1.1 between a function and its bucket, read to recognise PUT and GET requests."""

from __future__ import annotations

from collections import deque

from tests.chaos.steps import Passage, Step

END_OF_HEAD = b"\r\n\r\n"
BODILESS = (b"204", b"304")


class S3Wire:
    """A connection with requests and answers in turns, as S3 clients use it, with the bucket first in the path."""

    def __init__(self, bucket: str) -> None:
        self._raw_path = f"/{bucket}/".encode()
        self._requests = b""
        self._answers = b""
        self._asked: deque[tuple[bytes, Step | None]] = deque()

    def take_requests(self, data: bytes) -> list[Passage]:
        self._requests += data
        passages = []
        while (size := _message_size(self._requests)) is not None:
            message, self._requests = self._requests[:size], self._requests[size:]
            method, path = message.split(b" ", 2)[:2]
            step = self._step(method, path)
            self._asked.append((method, step))
            passages.append(Passage(message, step))
        return passages

    def take_answers(self, data: bytes) -> list[Passage]:
        self._answers += data
        passages = []
        while self._asked:
            method, step = self._asked[0]
            size = _message_size(self._answers, answers=method)
            if size is None:
                break
            self._asked.popleft()
            message, self._answers = self._answers[:size], self._answers[size:]
            passages.append(Passage(message, step))
        return passages

    def rest_of_answers(self) -> bytes:
        return self._answers

    def _step(self, method: bytes, path: bytes) -> Step | None:
        if not path.startswith(self._raw_path) or b"?" in path:
            return None
        return {b"PUT": Step.RAW_PUT, b"GET": Step.RAW_GET}.get(method)


def slow_down(_: bytes) -> bytes:
    """Return S3's own answer to too many requests."""
    body = b"<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>Please reduce your rate.</Message></Error>"
    lines = ("HTTP/1.1 503 Slow Down", f"Content-Length: {len(body)}", "Connection: close", "", "")
    return "\r\n".join(lines).encode() + body


def _message_size(data: bytes, *, answers: bytes | None = None) -> int | None:
    """Return the size of the first message in `data`, None while incomplete; `answers` is the method it answers."""
    head, end, _ = data.partition(END_OF_HEAD)
    if not end:
        return None
    size = len(head) + len(end)
    status_line, *lines = head.split(b"\r\n")
    if answers == b"HEAD" or (answers is not None and status_line.split(b" ")[1] in BODILESS):
        return size
    fields = {name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)}
    if fields.get(b"transfer-encoding") == b"chunked":
        return _end_of_chunks(data, size)
    size += int(fields.get(b"content-length", b"0"))
    return size if len(data) >= size else None


def _end_of_chunks(data: bytes, at: int) -> int | None:
    while True:
        end_of_line = data.find(b"\r\n", at)
        if end_of_line < 0:
            return None
        chunk_size = int(data[at:end_of_line].split(b";")[0], 16)
        at = end_of_line + 2 + chunk_size + 2
        if len(data) < at:
            return None
        if chunk_size == 0:
            return at
