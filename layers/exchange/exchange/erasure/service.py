"""The erasure of records: a transaction per record deletes its rows, then its raw object's versions are deleted.

The transaction also leaves a tombstone. Once it is committed, nothing brings the record back: normalize, redrive and
replay look for the tombstone in the transaction that they write in, and ingest answers 410. An erasure that dies
between the commit and the bucket is continued when it is repeated or, at the latest, by retain. ADR 0012.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any
from uuid import UUID, uuid4

from exchange.erasure import store
from exchange.erasure.model import ERASURE_RECORDS, PendingErasure, receipt_of
from exchange.errors import ContractViolation
from exchange.platform.contracts import contract
from exchange.platform.db import Database, database
from exchange.platform.deadline import NEVER, Deadline
from exchange.platform.functions import Function, tokenize_function
from exchange.platform.versions import ObjectVersions, raw_object_versions

PROFILE = "v1"
PAGE = 100


@dataclass(frozen=True)
class Erasure:
    """The progress of an erasure; `unknown` records have no manifest row, `remaining` ones were not reached in time."""

    erasure_id: UUID
    erased: int
    already_erased: tuple[UUID, ...]
    unknown: tuple[UUID, ...]
    remaining: int
    receipt: dict[str, Any]


class Eraser:
    """The eraser of one environment."""

    def __init__(
        self, database: Database, versions: ObjectVersions, tokenizer: Callable[[], Function]
    ) -> None:
        self._database = database
        self._versions = versions
        self._tokenizer = tokenizer

    def answer(self, event: Mapping[str, Any], *, request_id: str, deadline: Deadline) -> dict[str, Any]:
        """Answer an operator's request, which contracts/api/schemas/erase.request.json describes.

        Raises ContractViolation, naming the field.
        """
        contract("api/schemas/erase.request").validate(event)
        record_ids = self._read_records(event)
        if event.get("dry_run", False):
            known = self.find_known(record_ids)
            return {
                "record_ids": [str(record_id) for record_id in record_ids if record_id in known],
                "unknown": [str(record_id) for record_id in record_ids if record_id not in known],
            }
        erasure = self.erase(
            record_ids,
            UUID(event["erasure_id"]) if "erasure_id" in event else uuid4(),
            request_id=request_id,
            case_ref=event.get("case"),
            deadline=deadline,
        )
        if not event.keys() & {"record_ids", "person"} and not erasure.receipt["records"]:
            # A misspelt erasure id must not get a receipt.
            raise ContractViolation("there is no such erasure", field="erasure_id")
        return asdict(erasure) | {
            "erasure_id": str(erasure.erasure_id),
            "already_erased": [str(record_id) for record_id in erasure.already_erased],
            "unknown": [str(record_id) for record_id in erasure.unknown],
        }

    def find_person(self, partner_id: str, person: dict[str, Any]) -> list[UUID]:
        """Return the partner's records of a person; raise ContractViolation, naming a field that tokenize refuses.

        The person's data are sent to tokenize and nowhere else. Rows keep the tokens of the key that was current when
        they were written, so tokens of every key version are requested. Only canonical records have tokens: records
        that are not canonical yet, or never will be, are not found this way.
        """
        with self._database.transaction() as transaction:
            if not store.partner_exists(transaction, partner_id):
                raise ContractViolation("is no partner of the exchange", field="partner_id")
        answer = self._tokenizer().invoke(
            {"profile": PROFILE, "every_key_version": True, "people": [person], "identifiers": []}
        )
        (found,) = answer["people"]
        if "error" in found:
            raise ContractViolation("is not what tokenize takes", field=_field_of(found["error"]["field"]))
        tokens = [token["token"] for token in found["tokens"]]
        with self._database.transaction() as transaction:
            return store.find_records(transaction, partner_id, answer["profile"], tokens)

    def find_known(self, record_ids: Sequence[UUID]) -> set[UUID]:
        """Return the records that are in the manifest or were erased before."""
        with self._database.transaction() as transaction:
            return store.find_known(transaction, record_ids)

    def erase(
        self,
        record_ids: Sequence[UUID],
        erasure_id: UUID,
        *,
        request_id: str,
        case_ref: str | None = None,
        deadline: Deadline = NEVER,
    ) -> Erasure:
        """Erase records until `deadline`; safe to repeat with the same `erasure_id` or another one.

        A record that was erased before keeps its tombstone; its rows and its raw object are deleted again, as they may
        have been restored by hand. `case_ref` is the reason for the audit log, such as a ticket's number. Raises
        ContractViolation, with nothing erased, when the erasure would have more records than its receipt can name.
        """
        with self._database.transaction() as transaction:
            others = store.count_others(transaction, erasure_id, record_ids)
        if others + len(record_ids) > ERASURE_RECORDS:
            reason = (
                f"an erasure has {ERASURE_RECORDS:,} records at most, or its receipt could not be answered"
            )
            raise ContractViolation(f"{reason}: begin another one for the rest", field="$")
        outcomes: dict[str, list[UUID]] = {"erased": [], "repeated": [], "already_erased": [], "unknown": []}
        for record_id in record_ids:
            if deadline.has_passed:
                break
            outcomes[self._erase_record(record_id, erasure_id, request_id, case_ref)].append(record_id)
        self.delete_raw(erasure_id, deadline=deadline)
        return Erasure(
            erasure_id,
            len(outcomes["erased"]),
            tuple(outcomes["already_erased"]),
            tuple(outcomes["unknown"]),
            len(record_ids) - sum(map(len, outcomes.values())),
            self.read_receipt(erasure_id),
        )

    def delete_raw(self, erasure_id: UUID | None, *, deadline: Deadline) -> int:
        """Delete the raw objects that tombstones, of one erasure or of all, may still have; return their number."""
        deleted = 0
        while not deadline.has_passed:
            with self._database.transaction() as transaction:
                pending = store.read_pending(transaction, erasure_id, PAGE)
            if not pending:
                break
            for tombstone in pending:
                if deadline.has_passed:
                    break
                self._mark_raw_deleted(tombstone, self._delete_versions(tombstone))
                deleted += 1
        return deleted

    def read_receipt(self, erasure_id: UUID) -> dict[str, Any]:
        """Compute the receipt from the tombstones; a receipt without records proves no erasure."""
        with self._database.transaction() as transaction:
            return receipt_of(erasure_id, store.read_erasure(transaction, erasure_id))

    def _read_records(self, event: Mapping[str, Any]) -> list[UUID]:
        if "person" in event:
            return self.find_person(event["partner_id"], event["person"])
        # Sorted, and each only once.
        return sorted({UUID(record_id) for record_id in event.get("record_ids", ())})

    def _erase_record(self, record_id: UUID, erasure_id: UUID, request_id: str, case_ref: str | None) -> str:
        """Erase a record in a transaction of its own: two in one could deadlock with a batch of normalize."""
        with self._database.transaction() as transaction:
            record = store.lock_record(transaction, record_id)
            if record is None:
                return "unknown"
            if record.has_rows:
                store.erase(transaction, record, erasure_id, request_id, case_ref)
        if record.erasure_id in (None, erasure_id):
            return "erased" if record.erasure_id is None else "repeated"
        tombstone = PendingErasure(record_id, record.bucket, record.object_key)
        # Somebody keeps the receipt of that erasure, so its tombstone changes only if versions were deleted again.
        if versions := self._delete_versions(tombstone):
            with self._database.transaction() as transaction:
                store.mark_raw_deleted_again(transaction, record_id, versions, request_id, case_ref)
        return "already_erased"

    def _delete_versions(self, tombstone: PendingErasure) -> int:
        return sum(map(self._versions.delete_all, tombstone.object_keys()))

    def _mark_raw_deleted(self, tombstone: PendingErasure, versions: int) -> None:
        with self._database.transaction() as transaction:
            store.mark_raw_deleted(transaction, tombstone.record_id, versions)


def _field_of(field: str) -> str:
    return "person" if field == "$" else f"person.{field}"


@cache
def eraser() -> Eraser:
    """Return this environment's eraser."""
    return Eraser(database(), raw_object_versions(), tokenize_function)
