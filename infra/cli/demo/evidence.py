"""Evidence from the exchange's own stores, without its functions: tables by SQL, the bucket by its listing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass

import obstore
import psycopg2
from obstore.store import S3Store
from psycopg2.extras import execute_values

from infra.system.addresses import Addresses
from infra.system.layout import BUCKET, REGION

# They count requests and the runs of schedules: any request, or none at all, may change them.
TABLES_OF_REQUESTS = ("audit_log", "counters", "job_runs", "job_checkpoints")
POLL_SECONDS = 0.2
# The exchange tries again for as long as it takes; a demo that sees nothing move for this long gives up.
STALLED_AFTER_SECONDS = 60.0


@dataclass(frozen=True)
class StageCounts:
    """The number of watched records in the stores, stage by stage."""

    idempotency_rows: int
    manifest_rows: int
    published: int
    canonical: int
    dead_letters: int


class Evidence:
    """A reader of the stores, as their owner; it writes only a temporary table of its own."""

    def __init__(self, addresses: Addresses) -> None:
        self._connection = psycopg2.connect(addresses.postgres_dsn)
        self._connection.autocommit = True
        self._bucket = S3Store(
            BUCKET,
            endpoint=addresses.s3,
            region=REGION,
            access_key_id=addresses.s3_access_key,
            secret_access_key=addresses.s3_secret_key,
            virtual_hosted_style_request=False,
            client_options={"allow_http": True},
        )
        self._query("CREATE TEMPORARY TABLE watched (record_id uuid PRIMARY KEY)")

    def close(self) -> None:
        self._connection.close()

    def watch(self, record_ids: Iterable[str]) -> None:
        """Add records to those that the counts are about."""
        with self._connection.cursor() as cursor:
            execute_values(
                cursor,
                "INSERT INTO watched VALUES %s ON CONFLICT DO NOTHING",
                [(record_id,) for record_id in record_ids],
                page_size=1_000,
            )
        self._query("ANALYZE watched")

    def count_canonical(self) -> int:
        """Count all canonical rows, watched or not."""
        return self._number("SELECT count(*) FROM canonical_records")

    def count_finished(self) -> int:
        """Count the watched records that are canonical or dead letters."""
        return self._number(
            "SELECT count(*) FROM watched JOIN processing_stage_state USING (record_id)"
            " WHERE state IN ('succeeded', 'dlq')"
        )

    def wait_until_finished(self, expected: int, on_count: Callable[[int], None]) -> None:
        """Wait until `expected` watched records are finished, or until none has finished for a minute."""
        finished, moved_at = -1, time.monotonic()
        while True:
            count = self.count_finished()
            if count != finished:
                finished, moved_at = count, time.monotonic()
                on_count(count)
            if finished >= expected or time.monotonic() - moved_at > STALLED_AFTER_SECONDS:
                return
            time.sleep(POLL_SECONDS)

    def count_stages(self) -> StageCounts:
        return StageCounts(
            idempotency_rows=self._number(
                "SELECT count(*) FROM idempotency_keys"
                " JOIN watched ON record_id = (response::jsonb ->> 'record_id')::uuid"
            ),
            manifest_rows=self._number(
                "SELECT count(*) FROM watched JOIN raw_object_manifest USING (record_id)"
            ),
            published=self._number(
                "SELECT count(*) FROM watched JOIN outbox_events ON key = record_id::text"
                " WHERE published_at IS NOT NULL AND topic NOT LIKE '%.dlq'"
            ),
            canonical=self._number("SELECT count(*) FROM watched JOIN canonical_records USING (record_id)"),
            dead_letters=self._number(
                "SELECT count(DISTINCT record_id) FROM watched JOIN dead_letters USING (record_id)"
                " WHERE NOT EXISTS (SELECT FROM canonical_records c WHERE c.record_id = watched.record_id)"
            ),
        )

    def read_finish_times(self) -> Mapping[str, float]:
        """Return when each watched record became canonical, in epoch seconds; client and database share one clock."""
        rows = self._query(
            "SELECT record_id::text, extract(epoch FROM finished_at)::float8"
            " FROM watched JOIN processing_stage_state USING (record_id) WHERE state = 'succeeded'"
        )
        return {str(record_id): float(str(at)) for record_id, at in rows}

    def read_tokens(self, profile: str) -> list[tuple[str, str]]:
        """Return (record, token) of the watched records."""
        rows = self._query(
            "SELECT record_id::text, token FROM watched JOIN patient_tokens USING (record_id) WHERE profile = %s",
            (profile,),
        )
        return [(str(record_id), str(token)) for record_id, token in rows]

    def count_rows(self) -> Mapping[str, int]:
        """Count the rows of every table that only an accepted record may change."""
        tables = self._query(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> ALL (%s) ORDER BY 1",
            (list(TABLES_OF_REQUESTS),),
        )
        return {str(table): self._number(f'SELECT count(*) FROM "{table}"') for (table,) in tables}  # noqa: S608

    def list_raw_records(self, sources: Iterable[str]) -> set[str]:
        """Return the record ids of the raw objects of these sources."""
        return {
            item["path"].rpartition("/")[2].removesuffix(".json")
            for source in sources
            for page in obstore.list(self._bucket, prefix=f"{source}/")
            for item in page
        }

    def _number(self, statement: str) -> int:
        ((number,),) = self._query(statement)
        return int(str(number))

    def _query(self, statement: str, values: tuple[object, ...] | None = None) -> list[tuple[object, ...]]:
        with self._connection.cursor() as cursor:
            cursor.execute(statement, values)
            return list(cursor.fetchall()) if cursor.description else []


@contextmanager
def gather_evidence(addresses: Addresses) -> Iterator[Evidence]:
    with closing(Evidence(addresses)) as evidence:
        yield evidence
