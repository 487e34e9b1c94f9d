"""`exchange invoke`"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from infra.cli.clients.admin import read_status
from infra.cli.clients.lambda_api import lambda_client
from infra.cli.failure import fail
from infra.cli.names import find_function
from infra.cli.options import DataDir
from infra.cli.running_system import running_system
from infra.system.layout import DEFAULT_DATA_DIR


def invoke(
    function: Annotated[
        str,
        typer.Argument(help="The logical id or short name, such as ingest or outbox-publish."),
    ],
    event: Annotated[str, typer.Option("--event", "-e", help="A JSON file; - reads standard input.")] = "",
    asynchronous: Annotated[bool, typer.Option("--async", help="Queue the event and return.")] = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Invoke a function with an event and print its answer.

    It uses the Lambda Invoke API, as boto3 and the aws command do. The event is {} if none is given. The exit code is
    1 if the function fails; its log is shown by: exchange logs FUNCTION.

    Example: echo '{"linger_seconds": 0}' | exchange invoke outbox-publish -e -
    """
    from botocore.exceptions import BotoCoreError, ClientError

    payload = _read_event(event)
    addresses = running_system(data_dir)
    name = find_function(function, read_status(addresses)["functions"])
    kind = "Event" if asynchronous else "RequestResponse"
    try:
        answer = lambda_client(addresses).invoke(FunctionName=name, InvocationType=kind, Payload=payload)
    except (BotoCoreError, ClientError) as error:
        fail(f"{name} cannot be invoked: {error}")
    if asynchronous:
        print(f"Queued as {answer['ResponseMetadata']['RequestId']}.")
        return
    _print_json(answer["Payload"].read())
    if "FunctionError" in answer:
        fail(
            f"{name} failed; see: exchange logs {function} --request {answer['ResponseMetadata']['RequestId']}"
        )


def _read_event(source: str) -> bytes:
    if not source:
        return b"{}"
    try:
        payload = sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()
        json.loads(payload)
    except OSError as error:
        fail(f"{source} cannot be read: {error.strerror}")
    except ValueError:
        fail("the event is not JSON")
    return payload


def _print_json(payload: bytes) -> None:
    text = payload.decode()
    print(
        json.dumps(json.loads(text), indent=2, ensure_ascii=False) if sys.stdout.isatty() and text else text
    )
