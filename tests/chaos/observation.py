"""The contents of the stores, read without the proxies and the functions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from typing import Any

import obstore
import psycopg2
from obstore.store import S3Store

from infra.system.addresses import Addresses
from infra.system.layout import BUCKET, REGION
from tests.chaos.verdict import Held


class Observation:
    """Reads as the owner of the tables, with a new connection per query, since the server may just have died."""

    def __init__(self, addresses: Addresses) -> None:
        self._addresses = addresses

    def rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with (
            closing(psycopg2.connect(self._addresses.postgres_dsn, connect_timeout=5)) as connection,
            connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(statement, values)
            return cursor.fetchall() if cursor.description else []

    def count_settled(self, record_ids: Sequence[str]) -> int:
        """Count the records that are canonical or dead."""
        ((count,),) = self.rows(
            "SELECT count(*) FROM processing_stage_state WHERE stage = 'canonicalize'"
            " AND state IN ('succeeded', 'dlq') AND record_id = ANY (%s::uuid[])",
            list(record_ids),
        )
        return int(count)

    def finish_times(self, record_ids: Sequence[str]) -> dict[str, float]:
        """Return when each record became canonical or dead, in seconds since the epoch by this machine's clock."""
        return dict(
            self.rows(
                "SELECT record_id::text, extract(epoch FROM finished_at)::float8 FROM processing_stage_state"
                " WHERE stage = 'canonicalize' AND state IN ('succeeded', 'dlq')"
                " AND record_id = ANY (%s::uuid[])",
                list(record_ids),
            )
        )

    def orphans(self) -> list[str]:
        """Return the records of raw objects without a manifest row."""
        return sorted(self._raw_objects() - self._set("SELECT record_id::text FROM raw_object_manifest"))

    def hold(self, record_ids: Sequence[str]) -> Held:
        """Return the contents of the stores that a verdict on these records needs."""
        ids = list(record_ids)
        return Held(
            canonical=self._set("SELECT record_id::text FROM canonical_records"),
            whole=self._set(
                "SELECT record_id::text FROM patient_tokens JOIN ("
                " SELECT record_id FROM canonical_encounters UNION"
                " SELECT record_id FROM canonical_claim_lines JOIN canonical_claims USING (record_id) UNION"
                " SELECT record_id FROM canonical_lab_observations JOIN canonical_lab_results USING (record_id)"
                ") AS row_of_its_kind USING (record_id)"
            ),
            manifest=self._set("SELECT record_id::text FROM raw_object_manifest"),
            raw_objects=self._raw_objects(),
            dead_letters=dict(
                self.rows(
                    "SELECT record_id::text, count(*) FROM dead_letters WHERE record_id = ANY (%s::uuid[])"
                    " GROUP BY record_id",
                    ids,
                )
            ),
            rows_by_number=Counter(
                token
                for (token,) in self.rows(
                    "SELECT encounter_token FROM canonical_encounters UNION ALL"
                    " SELECT claim_token FROM canonical_claims UNION ALL"
                    " SELECT accession_token FROM canonical_lab_results"
                )
            ),
        )

    def _set(self, statement: str) -> frozenset[str]:
        return frozenset(value for (value,) in self.rows(statement))

    def _raw_objects(self) -> frozenset[str]:
        store = S3Store(
            BUCKET,
            endpoint=self._addresses.s3,
            region=REGION,
            access_key_id=self._addresses.s3_access_key,
            secret_access_key=self._addresses.s3_secret_key,
            virtual_hosted_style_request=False,
            client_options={"allow_http": True},
        )
        return frozenset(
            item["path"].rpartition("/")[2].removesuffix(".json")
            for page in obstore.list(store, chunk_size=1_000)
            for item in page
        )
