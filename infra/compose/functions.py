"""Every function of template.yaml on the local runner, in a container."""

from __future__ import annotations

import asyncio
import signal

from infra.compose.config import ComposeConfig
from infra.compose.secret_files import read_secret_file
from infra.system.layout import TEMPLATE
from infra.system.template_parameters import aws_environment, template_parameters
from sam_offline import Runner, RunnerConfig

LAMBDA_PORT = 3001
# Several times as long in the end: docker-compose.yml says when `docker compose down` kills.
STOP_TIMEOUT_SECONDS = 5.0


def runner_config(config: ComposeConfig) -> RunnerConfig:
    """Return the runner's configuration: all addresses, since docker-compose.yml says which ports are published."""
    return RunnerConfig(
        template=TEMPLATE,
        state_dir=config.state_dir,
        build_dir=config.build_dir,
        host="0.0.0.0",  # noqa: S104
        parameters=template_parameters_of(config),
        aws_environment=aws_environment(config.endpoints().s3),
        api_ports={"IngestApi": 8080, "TokenizeApi": 8081},
        lambda_port=LAMBDA_PORT,
        stop_timeout_seconds=STOP_TIMEOUT_SECONDS,
    )


def template_parameters_of(config: ComposeConfig) -> dict[str, str]:
    """Return the template's parameters in this project, with its own keys."""
    jwt_secret = read_secret_file(config.secrets_dir, "jwt_secret")
    keys = {"TokenizerHmacSecret": read_secret_file(config.secrets_dir, "tokenizer_hmac_secret")}
    return template_parameters(config.endpoints(), LAMBDA_PORT, jwt_secret) | keys


def sam_parameters(config: ComposeConfig) -> dict[str, str]:
    """Return the same for functions in SAM's containers on the project's network: they call the project's tokenize."""
    return template_parameters_of(config) | {"LambdaEndpoint": f"http://functions:{LAMBDA_PORT}"}


async def serve(config: ComposeConfig) -> None:
    """Run the functions until SIGTERM, SIGINT or POST /stop. Raises RunnerError."""
    runner = Runner(runner_config(config))
    stop = asyncio.Event()
    for signum in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(signum, stop.set)
    await runner.start()
    requests = [asyncio.ensure_future(stop.wait()), asyncio.ensure_future(runner.wait_for_stop_request())]
    await asyncio.wait(requests, return_when=asyncio.FIRST_COMPLETED)
    for request in requests:
        request.cancel()
    await runner.stop()
