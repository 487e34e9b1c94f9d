"""`exchange sources`"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from infra.cli.failure import fail
from infra.cli.stop import stop_event
from infra.system.layout import DEFAULT_DATA_DIR, REGION, TEMPLATE

STOP_TIMEOUT_SECONDS = 10.0


def sources(
    endpoint: Annotated[
        str, typer.Option(help="The Lambda endpoint that runs the functions.")
    ] = "http://127.0.0.1:3001",
    parameters: Annotated[
        Path,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="YAML file of template parameters, as exchange services writes it and sam local reads it.",
        ),
    ] = DEFAULT_DATA_DIR / "sam" / "parameters.yaml",
    brokers: Annotated[
        str | None, typer.Option(help="Kafka's address from here, if it differs from the functions' view.")
    ] = None,
) -> None:
    """Run the template's schedules and Kafka sources against functions that run elsewhere.

    `sam local` serves functions but runs neither. This command does, with the same code as `exchange up`. Ctrl-C ends
    it; records in flight are committed or delivered again.

    Example: sam local start-lambda --config-env local, then elsewhere: exchange sources
    """
    import yaml  # these cost half a second, which no other command should pay

    from sam_offline import TemplateError

    given = yaml.safe_load(parameters.read_text(encoding="utf-8"))
    if not isinstance(given, dict):
        fail(f"{parameters} is no mapping of parameters")
    values = {str(name): str(value) for name, value in given.items()}
    try:
        asyncio.run(_run(endpoint, values | ({"KafkaBrokers": brokers} if brokers else {})))
    except TemplateError as error:
        fail(str(error))


async def _run(endpoint: str, parameters: dict[str, Any]) -> None:
    from infra.cli.clients.remote_invoker import RemoteInvoker
    from sam_offline import EventSources

    asked_to_stop = stop_event()
    async with RemoteInvoker(endpoint) as invoker:
        running = EventSources.of_template(
            TEMPLATE,
            parameters,
            REGION,
            invoker,
            _say,
            aws_environment=os.environ,
            msk_brokers=tuple(filter(None, parameters.get("KafkaBrokers", "").split(","))),
        )
        running.start()
        _say(f"Running {', '.join(running.names)} against {endpoint}. Ctrl-C ends it.")
        await asked_to_stop.wait()
        await running.stop(STOP_TIMEOUT_SECONDS)
        running.queue.cancel()


def _say(line: str) -> None:
    print(line, flush=True)
