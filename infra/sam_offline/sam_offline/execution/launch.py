"""The command, folder and environment that a function's process starts with."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from sam_offline.execution.builds import Builder
from sam_offline.execution.interpreter import Interpreter, find_interpreter
from sam_offline.model import Function

LOG_STREAM = "AWS_LAMBDA_LOG_STREAM_NAME"
_PATH = "/usr/local/bin:/usr/bin:/bin:/opt/bin"


@dataclass(frozen=True)
class Launch:
    """The command, folder and environment of a function's processes. Nothing comes from the developer's shell."""

    function: Function
    interpreter: Interpreter
    command: tuple[str, ...]
    folder: Path
    environment: Mapping[str, str] = field(repr=False)

    def variables(self, runtime_api: str) -> dict[str, str]:
        """Return the complete environment of a new process whose Runtime API is at `runtime_api` (host:port)."""
        stream = f"{datetime.now(UTC):%Y/%m/%d}/[$LATEST]{secrets.token_hex(16)}"
        return {
            **self.environment,
            LOG_STREAM: stream,
            "AWS_LAMBDA_RUNTIME_API": runtime_api,
        }


def prepare_launch(
    function: Function,
    folder: Path,
    region: str,
    credentials: Mapping[str, str],
    copies: Path | None = None,
) -> Launch:
    """Build a function and return how to start it. Raises BuildError.

    The call blocks. For `copies` see Builder.
    """
    interpreter = find_interpreter(function.runtime)
    builder = Builder(folder, interpreter, copies)
    runtime = builder.runtime()
    code, *packages = builder.function(function.source)
    # Lambda unpacks layers into one /opt in their order, so the last one wins.
    layers = [path for layer in reversed(function.layers) for path in builder.layer(layer)]
    search_path = [code, *packages, *layers, runtime]
    # Reserved variables last: a template cannot set them on AWS either.
    # https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime
    environment = {
        **function.environment,
        **credentials,
        "AWS_DEFAULT_REGION": region,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{function.runtime}",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_mb),
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function.name}",
        "AWS_REGION": region,
        "LAMBDA_RUNTIME_DIR": str(runtime),
        "LAMBDA_TASK_ROOT": str(code),
        "LANG": "en_US.UTF-8",
        "PATH": _PATH,
        "PYTHONPATH": ":".join(map(str, search_path)),
        "TZ": ":UTC",
        "_HANDLER": function.handler,
    }
    command = (*_dies_with_parent(), str(interpreter.path), "-S", "-m", "awslambdaric", function.handler)
    return Launch(function, interpreter, command, code, environment)


def _dies_with_parent() -> tuple[str, ...]:
    # An idle environment ends when its Runtime API's socket closes; a busy one only by this signal.
    setpriv = shutil.which("setpriv")
    return (setpriv, "--pdeathsig", "KILL", "--") if setpriv else ()
