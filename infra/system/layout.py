"""The paths of a system's parts in the repository, and the names of its bucket and topics."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
TEMPLATE = ROOT / "template.yaml"
MIGRATIONS = ROOT / "infra" / "postgres" / "migrations"
PARTNERS = ROOT / "infra" / "postgres" / "partners.local.sql"
DEFAULT_DATA_DIR = ROOT / ".local"
# What is built from the template is kept by content, so every system of this clone shares it.
BUILD_DIR = DEFAULT_DATA_DIR / "build"

REGION = "us-east-1"
BUCKET = "exchange-raw"
INGESTED_TOPICS = ("record.ingested.v1", "record.ingested.v2")
TOPICS = {
    name: partitions for topic in INGESTED_TOPICS for name, partitions in ((topic, 2), (f"{topic}.dlq", 1))
}
