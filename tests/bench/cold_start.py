"""How long a new environment takes, against the bare import of the libraries that its function uses."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path
from urllib.request import Request, urlopen

from infra.cli.addresses import Addresses
from infra.local.builds import find_interpreter
from tests.bench.report import Figure
from tests.bench.serving import BUILD_DIR

LIBRARIES = {
    "IngestFunction": "chalice, psycopg2, obstore, jsonschema_rs, jwt, aws_lambda_powertools.logging,"
    " aws_lambda_powertools.metrics, aws_lambda_powertools.utilities.idempotency",
    "TokenizeFunction": "chalice, jsonschema_rs, jwt, aws_lambda_powertools.logging, aws_lambda_powertools.metrics",
    "OutboxPublishFunction": "kafka, psycopg2, aws_lambda_powertools.logging, aws_lambda_powertools.metrics",
    "NormalizeFunction": "psycopg2, obstore, jsonschema_rs, aws_lambda_powertools.logging,"
    " aws_lambda_powertools.metrics, aws_lambda_powertools.utilities.idempotency",
}
INIT = re.compile(r"Init Duration: ([0-9.]+) ms")


def measure(addresses: Addresses, log_dir: Path) -> list[Figure]:
    """The runner's Init Duration of each function's first environment, and a bare interpreter's import."""
    # An environment reports its init with its first invoke, and normalize has had none here.
    url = f"{addresses.lambda_}/2015-03-31/functions/NormalizeFunction/invocations"
    urlopen(Request(url, data=b'{"records": {}}', method="POST"), timeout=30).close()
    figures = []
    for function, libraries in LIBRARIES.items():
        found = INIT.findall((log_dir / f"{function}.log").read_text())
        if not found:
            raise RuntimeError(f"{function} reported no Init Duration")
        bare_ms = min(_import_bare(libraries) for _ in range(3))
        init_ms = min(map(float, found))
        figures.append(
            Figure(
                f"cold start of {function}",
                init_ms / bare_ms,
                "× bare import",
                beside=f"{init_ms:.0f} ms of {bare_ms:.0f} ms",
            )
        )
    return figures


def _import_bare(libraries: str) -> float:
    layer = next(BUILD_DIR.glob("DependenciesLayer-*/python"))
    runtime = next(BUILD_DIR.glob("runtime-*"))
    command = [str(find_interpreter("python3.11")), "-S", "-c", f"import awslambdaric.bootstrap, {libraries}"]
    started = time.perf_counter()
    subprocess.run(command, env={"PYTHONPATH": f"{layer}:{runtime}"}, check=True)
    return (time.perf_counter() - started) * 1000
