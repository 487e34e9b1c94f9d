"""The /metrics page: Prometheus text from SQL, so that every environment gives the same answer."""

from __future__ import annotations

from functools import cache

from exchange.errors import DependencyUnavailable
from exchange.intake import store
from exchange.platform.db import Database, database

SERIES = {
    "ingest_requests_total": ("counter", "Requests answered, by route and status."),
    "outbox_pending": ("gauge", "Events decided but not yet published."),
    "outbox_oldest_age_seconds": ("gauge", "Age of the oldest event not yet published."),
    "outbox_published_total": ("counter", "Events acknowledged by the broker."),
    "outbox_publish_failures_total": ("counter", "Events that the broker did not acknowledge in time."),
    "metrics_scrape_errors_total": ("counter", "Scrapes that could not read the database."),
}


class MetricsPage:
    """Renders the page. A scrape that cannot read the database is still answered, and counted."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._uncounted_errors = 0

    def render(self) -> str:
        """Return every series of SERIES; those without a row are 0."""
        series: dict[str, dict[str, int]] = {name: {} for name in SERIES}
        try:
            if self._uncounted_errors:
                store.add_to_series(self._database, "metrics_scrape_errors_total", self._uncounted_errors)
                self._uncounted_errors = 0
            for metric, labels, value in store.read_series(self._database):
                if metric in series:
                    series[metric][labels] = value
        except DependencyUnavailable:
            # Counted here, and written at the next scrape that reaches the database.
            self._uncounted_errors += 1
            return _render({"metrics_scrape_errors_total": {"": self._uncounted_errors}})
        return _render({name: values or {"": 0} for name, values in series.items()})


def _render(series: dict[str, dict[str, int]]) -> str:
    lines = []
    for name, values in series.items():
        kind, text = SERIES[name]
        lines += [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
        lines += [
            f"{name}{{{labels}}} {value}" if labels else f"{name} {value}" for labels, value in values.items()
        ]
    return "\n".join(lines) + "\n"


@cache
def metrics_page() -> MetricsPage:
    """Return this environment's page."""
    return MetricsPage(database())
