"""`exchange services`"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from infra.cli.failure import fail
from infra.cli.options import AnyPorts, BrokerStorage, DataDir
from infra.cli.stop import stop_event
from infra.embedded import Stack, StackError
from infra.embedded.files import replace_file
from infra.embedded.ports import choose_ports, read_ports
from infra.system.addresses import Ports
from infra.system.database import prepare_database
from infra.system.docker_bridge import LOOPBACK, Forwarder, bridge_address
from infra.system.layout import DEFAULT_DATA_DIR
from infra.system.local_tokens import load_or_create_secret
from infra.system.lock import Held, hold
from infra.system.sam import describe_environment, describe_parameters
from infra.system.services import stack_config
from infra.system.template_parameters import template_parameters

USUAL_KAFKA_PORT = 9092


def services(
    *,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    any_ports: AnyPorts = False,
    lambda_port: Annotated[int, typer.Option(help="The port of sam local start-lambda.")] = Ports.lambda_,
    broker_storage: BrokerStorage = "s3",
) -> None:
    """Start Postgres, S3 and Kafka alone, for functions that run in SAM's containers.

    They listen on loopback and use the same data as exchange up; connections to their ports on Docker's bridge, the
    containers' network, are forwarded. Two files hold what SAM needs: sam/parameters.yaml, which samconfig.toml names
    in its environment "local", and sam/environment with the credentials for your shell.

    Example: exchange services, then elsewhere: . .local/sam/environment && sam local start-api --config-env local
    """
    bridge = bridge_address()
    if bridge is None:
        fail("there is no Docker bridge on this machine; without Docker the functions run by: exchange up")
    ports = Ports.any() if any_ports else Ports()
    try:
        with hold(data_dir):
            ports = replace(ports, lambda_=lambda_port, kafka=_choose_kafka_port(data_dir, ports.kafka))
            was_ready = asyncio.run(_serve(data_dir, ports, broker_storage, bridge))
    except Held as held:
        fail(f"the exchange runs on {data_dir} already ({held.holder}); stop it with: exchange down")
    except (StackError, OSError) as error:
        fail(str(error))
    raise typer.Exit(0 if was_ready else 1)


async def _serve(data_dir: Path, ports: Ports, broker_storage: BrokerStorage, bridge: str) -> bool:
    stack = Stack(stack_config(data_dir, ports, broker_storage, kafka_advertised_host=bridge))

    async def start(forwarder: Forwarder) -> None:
        # Before the broker: its clients, also those on this machine, are sent to the bridge.
        await forwarder.open(ports.kafka or 0)
        await forwarder.open(ports.lambda_)
        endpoints = await stack.start()
        await asyncio.to_thread(prepare_database, endpoints.postgres)
        await forwarder.open(endpoints.postgres.port)
        await forwarder.open(int(endpoints.s3.url.rpartition(":")[2]))
        jwt_secret = load_or_create_secret(data_dir / "jwt_secret")
        parameters = template_parameters(endpoints, ports.lambda_, jwt_secret)
        reached = {name: value.replace(LOOPBACK, bridge) for name, value in parameters.items()}
        sam = data_dir / "sam"
        sam.mkdir(parents=True, exist_ok=True)
        replace_file(sam / "parameters.yaml", describe_parameters(reached))
        replace_file(sam / "environment", describe_environment(endpoints.s3))

    async with Forwarder(bridge) as forwarder:
        starting = asyncio.create_task(start(forwarder))
        asked_to_stop = stop_event(starting)
        try:
            await starting
            print(_ready(data_dir / "sam" / "environment", bridge), flush=True)
            await asked_to_stop.wait()
        except asyncio.CancelledError:
            print("Stopped before it was ready.", flush=True)
            return False
        finally:
            await stack.stop()
    print("Stopped. Nothing is left running.", flush=True)
    return True


def _choose_kafka_port(data_dir: Path, asked: int | None) -> int:
    """Choose the broker's port before it starts, since the broker gives its own address to clients."""
    kept = read_ports(data_dir / "stack" / "ports.json")
    return choose_ports({"kafka": (asked, USUAL_KAFKA_PORT)}, kept, lambda *_: True)["kafka"]


def _ready(environment: Path, bridge: str) -> str:
    return f"""
Postgres, S3 and Kafka are ready, for containers at {bridge}. In other terminals:

  . {environment}
  sam build
  sam local start-lambda --config-env local
  sam local start-api --config-env local
  exchange sources

Ctrl-C stops everything.
"""
