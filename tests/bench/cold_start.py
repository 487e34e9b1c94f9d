"""The start time of a new environment, compared with the bare import of its function's libraries."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import time
from contextlib import suppress
from urllib.request import Request, urlopen

import psutil

from infra.system.addresses import Addresses
from sam_offline.execution.interpreter import find_interpreter
from tests.bench.report import Figure
from tests.bench.serving import BUILD_DIR

HEALTHZ = json.dumps(
    {
        "requestContext": {"resourcePath": "/healthz", "httpMethod": "GET"},
        "headers": {},
        "multiValueHeaders": {},
        "multiValueQueryStringParameters": None,
        "pathParameters": None,
        "stageVariables": None,
        "body": None,
    }
).encode()
LIBRARIES = {
    "IngestFunction": "chalice, psycopg2, obstore, jsonschema_rs, jwt, aws_lambda_powertools.logging,"
    " aws_lambda_powertools.metrics, aws_lambda_powertools.utilities.idempotency",
    "TokenizeFunction": "chalice, jsonschema_rs, jwt, aws_lambda_powertools.logging, aws_lambda_powertools.metrics",
    "OutboxPublishFunction": "kafka, psycopg2, aws_lambda_powertools.logging, aws_lambda_powertools.metrics",
    "NormalizeFunction": "psycopg2, obstore, jsonschema_rs, aws_lambda_powertools.logging,"
    " aws_lambda_powertools.metrics, aws_lambda_powertools.utilities.idempotency",
}
EVENTS = {
    "IngestFunction": HEALTHZ,
    "TokenizeFunction": b'{"profile": "v1", "people": [], "identifiers": []}',
    "OutboxPublishFunction": b"{}",
    "NormalizeFunction": b'{"records": {}}',
}
INIT = re.compile(r"Init Duration: ([0-9.]+) ms")


def measure(addresses: Addresses) -> list[Figure]:
    """Measure the Init Duration of an environment that starts alone, and the import in a bare interpreter."""
    figures = []
    for function, libraries in LIBRARIES.items():
        init_ms = min(_start_anew(addresses, function) for _ in range(3))
        bare_ms = min(_import_bare(libraries) for _ in range(3))
        figures.append(
            Figure(
                f"cold start of {function}",
                init_ms / bare_ms,
                "× bare import",
                beside=f"{init_ms:.0f} ms of {bare_ms:.0f} ms",
            )
        )
    return figures


def _start_anew(addresses: Addresses, function: str) -> float:
    """Kill the function's environments and invoke it; return the new one's Init Duration in milliseconds."""
    for process in psutil.Process(addresses.pid).children(recursive=True):
        # A child may end by itself after it was listed.
        with suppress(psutil.NoSuchProcess):
            if process.environ().get("AWS_LAMBDA_FUNCTION_NAME") == function:
                process.kill()
                process.wait()
    time.sleep(0.3)
    request = Request(
        f"{addresses.lambda_}/2015-03-31/functions/{function}/invocations",
        data=EVENTS[function],
        headers={"X-Amz-Log-Type": "Tail"},
        method="POST",
    )
    with urlopen(request, timeout=30) as answer:
        tail = base64.b64decode(answer.headers["X-Amz-Log-Result"]).decode()
    return float(INIT.findall(tail)[-1])


def _import_bare(libraries: str) -> float:
    layer = next(BUILD_DIR.glob("DependenciesLayer-*/python"))
    runtime = next(BUILD_DIR.glob("runtime-*"))
    command = [
        str(find_interpreter("python3.11").path),
        "-S",
        "-c",
        f"import awslambdaric.bootstrap, {libraries}",
    ]
    started = time.perf_counter()
    subprocess.run(command, env={"PYTHONPATH": f"{layer}:{runtime}"}, check=True)
    return (time.perf_counter() - started) * 1000
