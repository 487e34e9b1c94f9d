"""Runs every measurement and prints one table; a missed goal is marked, but is no failure."""

from __future__ import annotations

from tests.bench import cold_start, ingest, invoke, latency, ledger, normalize, publish, recovery, runner
from tests.bench.report import print_figures
from tests.bench.serving import serve


def main() -> None:
    """Measure one system after the other: empty functions, the exchange's functions alone, then everything."""
    print("The runner with empty functions …", flush=True)
    figures = runner.measure()
    print("Functions alone: ingest, invoke, publish, cold start, ledger, recovery …", flush=True)
    with serve(sources=False) as addresses:
        figures += ingest.measure(addresses) + invoke.measure(addresses) + publish.measure(addresses)
        figures += cold_start.measure(addresses) + ledger.measure(addresses) + recovery.measure(addresses)
    print("With event sources: latency, normalize …", flush=True)
    with serve(sources=True) as addresses:
        figures += [runner.measure_start(addresses)]
        figures += latency.measure(addresses) + normalize.measure(addresses)
    print_figures("Health-data exchange, this machine, everything on it", figures)


if __name__ == "__main__":
    main()
