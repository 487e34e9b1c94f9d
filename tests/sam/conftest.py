"""The embedded stack where containers reach it, SAM's build of the template, and its two servers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from infra.cli.addresses import BUCKET, Addresses, Ports, free_port
from infra.cli.local_tokens import AUDIENCE, ISSUER
from infra.cli.system import TOKENIZER_SECRET
from tests.e2e.running_system import RunningSystem
from tests.sam.forwarding import BRIDGE, Forwarder
from tests.sam.sam_cli import Sam, containers, missing, remove


@pytest.fixture(scope="session", autouse=True)
def engine() -> Iterator[None]:
    """Skips every test here where SAM's containers cannot run."""
    why = missing()
    if why is not None:
        pytest.skip(f"not run: {why}")
    before = containers()
    yield
    remove(containers() - before)


@pytest.fixture(scope="session")
def lambda_port(engine: None) -> int:
    return free_port()


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory, lambda_port: int) -> Iterator[RunningSystem]:
    """Services, and the local runner beside SAM; what schedules and Kafka bring belongs to the test that runs them."""
    ports = replace(Ports.any(), kafka=_low_free_port())
    # Before the broker: its clients, also those on this machine, are sent to the bridge.
    with Forwarder(BRIDGE, [ports.kafka or 0, lambda_port]):
        system = RunningSystem(
            tmp_path_factory.mktemp("system"), ports, sources=False, kafka_advertised_host=BRIDGE
        )
        urls = (system.addresses.postgres_dsn, system.addresses.s3)
        with Forwarder(BRIDGE, [urlsplit(url).port or 0 for url in urls]):
            yield system
            system.stop()


@pytest.fixture(scope="session")
def sam(tmp_path_factory: pytest.TempPathFactory, system: RunningSystem, lambda_port: int) -> Sam:
    addresses = system.addresses
    credentials = {
        "AWS_ACCESS_KEY_ID": addresses.s3_access_key,
        "AWS_SECRET_ACCESS_KEY": addresses.s3_secret_key,
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    built = Sam(tmp_path_factory.mktemp("sam"), _parameters(addresses, lambda_port), credentials)
    assert "Build Succeeded" in built.build() or built.template.exists()
    return built


@pytest.fixture(scope="session")
def start_lambda(sam: Sam, lambda_port: int) -> Iterator[str]:
    with sam.serve("start-lambda", lambda_port) as url:
        yield url


@pytest.fixture(scope="session")
def start_api(sam: Sam) -> Iterator[str]:
    with sam.serve("start-api") as url:
        yield url


def _low_free_port() -> int:
    """Named up front, so of those that the stack takes: port + 10000 must be one, too."""
    while (port := free_port()) > 55_535:
        continue
    return port


def _parameters(addresses: Addresses, lambda_port: int) -> dict[str, str]:
    postgres, s3 = urlsplit(addresses.postgres_dsn), urlsplit(addresses.s3)
    return {
        "Env": "local",
        "RawBucket": BUCKET,
        "PostgresHost": BRIDGE,
        "PostgresPort": str(postgres.port),
        "PostgresDatabase": postgres.path.strip("/"),
        "PostgresPassword": postgres.password or "",
        "KafkaBrokers": addresses.kafka_brokers.replace("127.0.0.1", BRIDGE),
        "JwtIssuer": ISSUER,
        "JwtAudience": AUDIENCE,
        "JwtSecret": addresses.jwt_secret,
        "TokenizerHmacSecret": TOKENIZER_SECRET,
        "S3Endpoint": f"http://{BRIDGE}:{s3.port}",
        "LambdaEndpoint": f"http://{BRIDGE}:{lambda_port}",
    }
