"""The command line: `sam-offline --template template.yaml --parameter Env=local`."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import uvloop

from sam_offline import __version__
from sam_offline.config import RunnerConfig
from sam_offline.errors import RunnerError
from sam_offline.runner import Runner

_CREDENTIALS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run an application until Ctrl-C, SIGTERM or POST /stop, and return the exit code."""
    config = _config(_parser().parse_args(arguments))
    try:
        uvloop.run(_run(config))
    except RunnerError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


async def _run(config: RunnerConfig) -> None:
    runner = Runner(config)
    await runner.start()
    for name, url in runner.endpoints.items():
        print(f"{name:24} {url}", flush=True)
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signal_number, stop.set)
    requests = [loop.create_task(stop.wait()), loop.create_task(runner.wait_for_stop_request())]
    await asyncio.wait(requests, return_when=asyncio.FIRST_COMPLETED)
    for request in requests:
        request.cancel()
    await runner.stop()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="sam-offline", description="Run a SAM template without Docker.")
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    parser.add_argument("--template", type=Path, default=Path("template.yaml"), help="default: %(default)s")
    parser.add_argument(
        "--parameter",
        action="append",
        default=[],
        type=_parameter,
        metavar="NAME=VALUE",
        help="a parameter of the template",
    )
    parser.add_argument(
        "--state-dir", type=Path, default=Path(".local/runner"), help="logs and builds; default: %(default)s"
    )
    parser.add_argument("--build-dir", type=Path, help="where builds are kept; several runners may share it")
    parser.add_argument(
        "--api-port",
        action="append",
        default=[],
        type=_api_port,
        metavar="API=PORT",
        help="the port of an API, by logical id; default: 8080 and up",
    )
    parser.add_argument("--lambda-port", type=int, default=3001, help="default: %(default)s")
    parser.add_argument("--admin-port", type=int, default=3002, help="default: %(default)s")
    parser.add_argument(
        "--concurrency",
        type=int,
        default=8,
        help="limit of a function without reserved concurrency; default: %(default)s",
    )
    parser.add_argument(
        "--throttle", action="store_true", help="answer 429 beyond --concurrency too, and do not queue"
    )
    parser.add_argument(
        "--no-prestart", action="store_true", help="start no environment before its function is called"
    )
    parser.add_argument("--no-sources", action="store_true", help="run neither schedules nor Kafka sources")
    parser.add_argument("--watch", action="store_true", help="reload code and template when they are saved")
    parser.add_argument(
        "--msk-brokers", default="", metavar="HOST:PORT,…", help="the brokers of every MSK cluster"
    )
    parser.add_argument(
        "--init-timeout",
        type=float,
        default=10.0,
        metavar="SECONDS",
        help="the time that an environment has to start",
    )
    parser.add_argument(
        "--integration-timeout",
        type=float,
        metavar="SECONDS",
        help="the longest that an API waits for a function",
    )
    parser.add_argument(
        "--asynchronous-retry-delays",
        default="60,120",
        type=_delays,
        metavar="SECONDS,…",
        help="delays before the retries of an asynchronous invocation",
    )
    return parser


# Error messages do not contain the value, which may be a secret.


def _parameter(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not name or not sign:
        raise argparse.ArgumentTypeError("is not NAME=VALUE")
    return name, value


def _api_port(text: str) -> tuple[str, int]:
    name, _, port = text.partition("=")
    if not name or not port.isdecimal():
        raise argparse.ArgumentTypeError("is not API=PORT")
    return name, int(port)


def _delays(text: str) -> tuple[float, ...]:
    try:
        return tuple(map(float, text.split(",")))
    except ValueError as error:
        raise argparse.ArgumentTypeError("is not SECONDS,…") from error


def _config(options: argparse.Namespace) -> RunnerConfig:
    return RunnerConfig(
        template=options.template,
        state_dir=options.state_dir,
        build_dir=options.build_dir,
        parameters=dict(options.parameter),
        aws_environment={name: os.environ[name] for name in _CREDENTIALS if name in os.environ},
        api_ports=dict(options.api_port),
        lambda_port=options.lambda_port,
        admin_port=options.admin_port,
        default_concurrency=options.concurrency,
        throttle=options.throttle,
        prestart=not options.no_prestart,
        sources=not options.no_sources,
        msk_brokers=tuple(filter(None, options.msk_brokers.split(","))),
        watch=options.watch,
        init_timeout_seconds=options.init_timeout,
        integration_timeout_seconds=options.integration_timeout,
        asynchronous_retry_delays_seconds=options.asynchronous_retry_delays,
    )


if __name__ == "__main__":
    sys.exit(main())
