"""`exchange up`"""

from __future__ import annotations

import asyncio
import shlex
from dataclasses import fields
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer
from rich.console import Console
from rich.table import Table

from infra.cli.failure import fail
from infra.cli.options import AnyPorts, BrokerStorage, BuildDir, DataDir
from infra.cli.stop import stop_event
from infra.embedded import StackError
from infra.system.addresses import Addresses, Ports
from infra.system.background import BackgroundSystem, StartFailed
from infra.system.layout import DEFAULT_DATA_DIR
from infra.system.lock import Held, find_holder, hold

START_TIMEOUT_SECONDS = 300.0
PORT_FLAGS = {
    "ingest": "--ingest-port",
    "tokenize": "--tokenize-port",
    "lambda_": "--lambda-port",
    "admin": "--admin-port",
}
EXAMPLE_BODY = (
    '{"source":"partnerA","record_type":"encounter",'
    '"patient":{"first_name":"Sam","last_name":"Lee","dob":"1990-01-01","ssn":"123-45-6789"},'
    '"payload":{"visit_number":"V1","medical_record_number":"M1","facility":"NOR-01","patient_class":"I",'
    '"utc_offset":"-05:00","admit_time":"2024-03-05 14:30","diagnoses":["E11.9"]}}'
)


def up(
    *,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    detach: Annotated[
        bool,
        typer.Option(
            "--detach", "-d", help="Leave it running in the background, and return when it is ready."
        ),
    ] = False,
    any_ports: AnyPorts = False,
    ingest_port: Annotated[int, typer.Option(help="Port of the ingest API.")] = Ports.ingest,
    tokenize_port: Annotated[int, typer.Option(help="Port of the tokenize API.")] = Ports.tokenize,
    lambda_port: Annotated[int, typer.Option(help="Port of the Lambda Invoke API.")] = Ports.lambda_,
    admin_port: Annotated[
        int, typer.Option(help="Port of the runner's status, metrics and schedules.")
    ] = Ports.admin,
    broker_storage: BrokerStorage = "s3",
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Do not print the functions' lines; --detach implies it.")
    ] = False,
    watch: Annotated[
        bool,
        typer.Option("--watch", "-w", help="Reload functions, layers and template when they are saved."),
    ] = False,
    build_dir: BuildDir = None,
) -> None:
    """Start the whole exchange on this machine, without Docker.

    Postgres, S3 and Kafka start as child processes, the database is migrated, and every function of template.yaml
    runs with its HTTP routes, schedules and Kafka sources. The functions' output is printed here and kept in the data
    folder. Ctrl-C stops everything in order; the data stays for the next time.

    Example: exchange up --detach && exchange status
    """
    ports = Ports.any() if any_ports else Ports(ingest_port, tokenize_port, lambda_port, admin_port)
    holder = find_holder(data_dir)
    if holder is not None:
        fail(_describe_held(data_dir, str(holder)))
    for name, port in ports.taken().items():
        fail(
            f"port {port} is taken by another program;"
            f" choose another with {PORT_FLAGS[name]}, or free ones with --any-ports"
        )
    if detach:
        options = _options(ports, broker_storage, build_dir) + ["--watch"] * watch
        _start_detached(data_dir, options)
    else:
        _run(data_dir, ports, broker_storage, quiet=quiet, watch=watch, build_dir=build_dir)


def _start_detached(data_dir: Path, options: list[str]) -> None:
    system = BackgroundSystem(data_dir, options, dies_with_us=False)
    try:
        addresses = system.wait_ready(START_TIMEOUT_SECONDS)
    except StartFailed as failed:
        fail(str(failed))
    except KeyboardInterrupt:
        system.stop()
        raise
    _show(addresses, f"Running in the background as process {addresses.pid}; stop it with: exchange down")


def _run(
    data_dir: Path,
    ports: Ports,
    broker_storage: BrokerStorage,
    *,
    quiet: bool,
    watch: bool,
    build_dir: Path | None,
) -> None:
    import uvloop  # these cost half a second, which no other command should pay

    from infra.system.system import System
    from sam_offline import RunnerError

    async def serve() -> bool:
        system = System(
            data_dir,
            ports,
            broker_storage=broker_storage,
            screen=not quiet,
            build_dir=build_dir,
            watch=watch,
        )
        starting = asyncio.create_task(system.start())
        asked_to_stop = stop_event(starting)
        try:
            addresses = await starting
        except asyncio.CancelledError:
            print("Stopped before it was ready.", flush=True)
            return False
        try:
            _show(addresses, "Ctrl-C stops everything.")
            asked = [
                asyncio.create_task(wait) for wait in (asked_to_stop.wait(), system.wait_for_stop_request())
            ]
            await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
            print("Stopping…", flush=True)
        finally:
            await system.stop()
        print("Stopped. Nothing is left running.", flush=True)
        return True

    try:
        with hold(data_dir):
            print("Starting… the first time takes a minute, to build the functions' layers.", flush=True)
            was_ready = uvloop.run(serve())
    except Held as held:
        fail(_describe_held(data_dir, str(held.holder)))
    except (StackError, RunnerError) as error:
        fail(str(error))
    raise typer.Exit(0 if was_ready else 1)


def _options(ports: Ports, broker_storage: str, build_dir: Path | None) -> list[str]:
    if ports == Ports.any():
        options = ["--any-ports"]
    else:
        chosen = {field.name: getattr(ports, field.name) for field in fields(ports)}
        options = [f"{flag}={chosen[name]}" for name, flag in PORT_FLAGS.items()]
    options.append(f"--broker-storage={broker_storage}")
    options += [f"--build-dir={build_dir}"] if build_dir else []
    return options


def _without_password(dsn: str) -> str:
    # The output of a detached system is a log.
    parts = urlsplit(dsn)
    return f"{parts.scheme}://{parts.username}@{parts.hostname}:{parts.port}{parts.path}"


def _describe_held(data_dir: Path, holder: str) -> str:
    return f"the exchange runs on {data_dir} already ({holder}); stop it with: exchange down"


def _show(addresses: Addresses, last_line: str) -> None:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for what, where in {
        "Ingest API": addresses.ingest,
        "Tokenize API": addresses.tokenize,
        "Lambda Invoke API": addresses.lambda_,
        "Status and metrics": f"{addresses.admin}/status, /metrics",
        "S3": addresses.s3,
        "Kafka": addresses.kafka_brokers,
        "Postgres": f"{_without_password(addresses.postgres_dsn)} (with its password in addresses.json)",
    }.items():
        table.add_row(what, where)
    console = Console(soft_wrap=True, highlight=False)
    console.print("\n[bold]The exchange is ready.[/bold]\n")
    console.print(table)
    headers = ["Authorization: Bearer dev", "Content-Type: application/json", "Idempotency-Key: try-0001"]
    words = [
        "curl",
        "-s",
        f"{addresses.ingest}/v1/ingest",
        *(word for header in headers for word in ("-H", header)),
    ]
    console.print(f"\nTry it:\n\n  {shlex.join([*words, '-d', EXAMPLE_BODY])}\n", markup=False)
    console.print(last_line + "\n")
