"""Raw objects, proven to be the ones their events speak of."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from exchange.errors import InvalidRequest, RecordNotReady, RecordRejected
from exchange.intake.model import BODY_LIMIT_BYTES
from exchange.partners.service import PartnerRegistry
from exchange.platform.objects import ObjectOverLimit, StoredObject
from exchange.platform.strict_json import parse_json
from exchange.records.deliveries import RecordIngested

STAGE = "fetch_raw_object"


@dataclass(frozen=True)
class RawRecord:
    """A partner's record as it was sent, and what was known of it when it came."""

    partner_id: str
    source: str
    record_kind: str
    schema_hint: str
    body: dict[str, Any] = field(repr=False)


def find_refusal(ingested: RecordIngested, bucket: str) -> RecordRejected | None:
    """Why the object is not even asked for: not ours to read, or larger than ingest takes."""
    if ingested.event["raw_object"]["bucket"] != bucket:
        return RecordRejected("raw_object.bucket: is not the exchange's bucket", stage=STAGE)
    if ingested.object_key.rpartition("/")[2].lower() != f"{ingested.record_id}.json":
        # Else one object could become canonical under two names.
        return RecordRejected("raw_object.key: is not the record's key", stage=STAGE)
    if ingested.size_bytes > BODY_LIMIT_BYTES:
        return RecordRejected(f"raw_object.size_bytes: is over {BODY_LIMIT_BYTES} bytes", stage=STAGE)
    return None


def read_raw_record(
    ingested: RecordIngested,
    stored: StoredObject | ObjectOverLimit | None,
    partners: PartnerRegistry,
) -> RawRecord:
    """The record in `stored`; raises RecordNotReady when it is missing, RecordRejected when it is not the one."""
    if stored is None:
        raise RecordNotReady("raw_object.key: the object is not there", stage=STAGE)
    said = ingested.event["raw_object"]
    if isinstance(stored, ObjectOverLimit) or len(stored.body) != said["size_bytes"]:
        raise RecordRejected("raw_object.size_bytes: is not the object's size", stage=STAGE)
    if hashlib.sha256(stored.body).hexdigest() != said["sha256"]:
        raise RecordRejected("raw_object.sha256: is not the object's hash", stage=STAGE)
    try:
        body = parse_json(stored.body)
    except InvalidRequest as error:
        raise RecordRejected(str(error), stage="normalize") from error
    if not isinstance(body, dict) or body.get("source") != ingested.event["source"]:
        raise RecordRejected("source: is not the event's source", stage="normalize")
    return _describe(body, stored.metadata, partners)


def _describe(body: dict[str, Any], metadata: Mapping[str, str], partners: PartnerRegistry) -> RawRecord:
    if metadata.keys() >= {"partner-id", "record-kind", "schema-hint"}:
        return RawRecord(
            partner_id=metadata["partner-id"],
            source=body["source"],
            record_kind=metadata["record-kind"],
            schema_hint=metadata["schema-hint"],
            body=body,
        )
    # An object of the old system has no metadata: its body and the registry say the same.
    partner = partners.owner_of(body["source"])
    if partner is None:
        raise RecordRejected("source: belongs to no partner", stage="normalize")
    return RawRecord(
        partner_id=partner.partner_id,
        source=body["source"],
        record_kind=str(body.get("record_kind") or body.get("record_type")),
        schema_hint=str(body.get("schema_hint") or partner.default_schema_hint),
        body=body,
    )
