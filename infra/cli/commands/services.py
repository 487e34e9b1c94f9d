"""`exchange services`"""

from __future__ import annotations

import asyncio
import signal
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import typer

from infra.cli.failure import fail
from infra.cli.running import DEFAULT, DataDir
from infra.system.addresses import Ports
from infra.system.docker_bridge import LOOPBACK, Forwarder, bridge_address
from infra.system.local_tokens import load_or_create_secret
from infra.system.lock import Held, hold

USUAL_KAFKA_PORT = 9092


def services(
    *,
    data_dir: DataDir = DEFAULT,
    any_ports: Annotated[bool, typer.Option("--any-ports", help="Take free ports for everything.")] = False,
    lambda_port: Annotated[
        int, typer.Option(help="Where sam local start-lambda will listen.")
    ] = Ports.lambda_,
    broker_storage: Annotated[
        Literal["s3", "memory"],
        typer.Option(
            help='Where the Kafka broker keeps its log: "s3", or "memory", which is faster and lost.'
        ),
    ] = "s3",
) -> None:
    """Start Postgres, S3 and Kafka alone, for functions that run in SAM's containers.

    They listen on loopback, as under exchange up and on the same data; whatever comes to their ports on Docker's
    bridge, where containers live, is passed on. Two files say how to get there: sam/parameters.yaml, which
    samconfig.toml names in its environment "local", and sam/environment with the credentials for your shell.

    Example: exchange services, then elsewhere: . .local/sam/environment && sam local start-api --config-env local
    """
    from infra.embedded import StackError  # these cost half a second, which no other command should pay

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


async def _serve(data_dir: Path, ports: Ports, broker_storage: Literal["s3", "memory"], bridge: str) -> bool:
    from infra.embedded import Stack
    from infra.system.sam import describe_environment, describe_parameters, write_whole
    from infra.system.system import prepare_database, stack_config, template_parameters

    stack = Stack(stack_config(data_dir, ports, broker_storage, kafka_advertised_host=bridge))

    async def start(forwarder: Forwarder) -> None:
        # Before the broker: its clients, also those on this machine, are sent to the bridge.
        await forwarder.open(ports.kafka or 0)
        await forwarder.open(ports.lambda_)
        endpoints = await stack.start()
        await asyncio.to_thread(prepare_database, endpoints)
        await forwarder.open(endpoints.postgres.port)
        await forwarder.open(int(endpoints.s3.url.rpartition(":")[2]))
        jwt_secret = load_or_create_secret(data_dir / "jwt_secret")
        parameters = template_parameters(endpoints, ports.lambda_, jwt_secret)
        reached = {name: value.replace(LOOPBACK, bridge) for name, value in parameters.items()}
        write_whole(data_dir / "sam" / "parameters.yaml", describe_parameters(reached))
        write_whole(data_dir / "sam" / "environment", describe_environment(endpoints.s3))

    asked_to_stop = asyncio.Event()
    async with Forwarder(bridge) as forwarder:
        starting = asyncio.create_task(start(forwarder))

        def stop_soon() -> None:
            asked_to_stop.set()
            starting.cancel()

        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(signum, stop_soon)
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
    """The broker tells its clients where to come back to, so its port is chosen before it starts."""
    from infra.embedded.ports import choose_ports, read_ports

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
