"""With LOCALSTACK_HOST set, raw objects are stored in LocalStack.

Runs on a real LocalStack if one is installed in .venv-localstack, else on the S3 of the test run, addressed alike.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from urllib.error import URLError
from urllib.request import urlopen

import boto3
import pytest

from exchange.platform.listing import raw_listing
from exchange.platform.objects import raw_objects
from exchange.platform.settings import load_settings
from infra.embedded import BackgroundStack
from infra.system.addresses import free_port
from infra.system.layout import ROOT
from tests.conftest import fresh_name

LOCALSTACK = ROOT / ".venv-localstack" / "bin" / "python"
START_TIMEOUT_SECONDS = 60.0


@pytest.fixture
def localstack(request: pytest.FixtureRequest) -> Iterator[Mapping[str, str]]:
    """Yield the variables that a developer sets."""
    if not LOCALSTACK.exists():
        stack: BackgroundStack = request.getfixturevalue("stack")
        s3 = stack.endpoints.s3
        yield _variables(s3.url.removeprefix("http://"), s3.access_key, s3.secret_key)
        return
    folder = request.getfixturevalue("tmp_path")
    address = f"127.0.0.1:{free_port()}"
    environment = {"PATH": os.defpath, "HOME": str(folder), "FILESYSTEM_ROOT": str(folder), "SERVICES": "s3"}
    environment |= {"GATEWAY_LISTEN": address, "DISABLE_EVENTS": "1", "SKIP_SSL_CERT_DOWNLOAD": "1"}
    with (folder / "log").open("wb") as log:
        command = [str(LOCALSTACK), "-m", "localstack.runtime.main"]
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            _wait_ready(f"http://{address}/_localstack/health", server)
            yield _variables(address, "test", "test")
        finally:
            server.kill()
            server.wait()


def _variables(host: str, access_key: str, secret_key: str) -> Mapping[str, str]:
    credentials = {"AWS_ACCESS_KEY_ID": access_key, "AWS_SECRET_ACCESS_KEY": secret_key}
    return {"ENV": "local", "LOCALSTACK_HOST": host, "RAW_BUCKET": fresh_name("developer"), **credentials}


def _wait_ready(url: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while True:
        try:
            with urlopen(url, timeout=2):
                return
        except (URLError, OSError):
            assert server.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)


@pytest.fixture
def bucket(localstack: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Yield the developer's bucket, in an environment without any other AWS variables."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in localstack.items():
        monkeypatch.setenv(name, value)
    caches = (load_settings, raw_objects, raw_listing)
    for cached in caches:
        cached.cache_clear()
    name = localstack["RAW_BUCKET"]
    url = f"http://{localstack['LOCALSTACK_HOST']}"
    client = boto3.client("s3", endpoint_url=url, region_name="us-east-1")
    client.create_bucket(Bucket=name)
    yield name
    client.delete_object(Bucket=name, Key="partnerA/one.json")
    client.delete_bucket(Bucket=name)
    for cached in caches:
        cached.cache_clear()


def test_raw_objects_are_written_read_and_listed_there(bucket: str) -> None:
    raw_objects().put("partnerA/one.json", b"{}", {"sha256": "ab"})
    (stored,) = raw_objects().get_many(["partnerA/one.json"], limit_bytes=100)
    assert (stored.body, stored.metadata["sha256"]) == (b"{}", "ab")  # type: ignore[union-attr]
    found = raw_listing().find("partnerA/one.json")
    assert found is not None
    assert found.key == "partnerA/one.json"
