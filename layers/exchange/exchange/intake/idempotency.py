"""Powertools' idempotency, with its rows in the request's own transaction.

`_put_record` takes the key's lock as the transaction's first statement, the service writes in the transaction, and
`_update_record` commits it. Of two requests with one key the second waits for the lock, then reads the answer of the
first. ADR 0002.
"""

from __future__ import annotations

import json
from functools import cache
from typing import NoReturn

from aws_lambda_powertools.utilities.idempotency import IdempotencyConfig
from aws_lambda_powertools.utilities.idempotency.exceptions import (
    IdempotencyItemAlreadyExistsError,
    IdempotencyItemNotFoundError,
)
from aws_lambda_powertools.utilities.idempotency.persistence.base import BasePersistenceLayer
from aws_lambda_powertools.utilities.idempotency.persistence.datarecord import STATUS_CONSTANTS, DataRecord
from aws_lambda_powertools.utilities.idempotency.serialization.base import BaseIdempotencySerializer

from exchange.errors import RecordErased
from exchange.intake.model import KEY_EXPIRES_AFTER, Acceptance, Receipt, Submission
from exchange.platform.db import Transaction
from exchange.platform.queries import load_queries
from exchange.raw.manifest import record_lock_id

QUERIES = load_queries(__file__)


@cache
def idempotency_config() -> IdempotencyConfig:
    """Return the configuration: a key's scope is (partner, route, key); the same key with another body is refused."""
    return IdempotencyConfig(
        event_key_jmespath="[partner_id, route, idempotency_key]",
        payload_validation_jmespath="body_sha256",
        hash_function="sha256",
        raise_on_no_idempotency_key=True,
        expires_after_seconds=int(KEY_EXPIRES_AFTER.total_seconds()),
    )


class AcceptanceSerializer(BaseIdempotencySerializer):
    """Stores the receipt of an acceptance; an acceptance that is read back is not new."""

    def to_dict(self, data: Acceptance) -> dict[str, str]:
        return vars(data.receipt)

    def from_dict(self, data: dict[str, str]) -> Acceptance:
        return Acceptance(Receipt(**data), was_new=False)


class PostgresPersistence(BasePersistenceLayer):
    """Idempotency rows in the transaction of their request. Serves one request at a time, as Lambda does."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._transaction: Transaction
        self._submission: Submission
        self._holds_locks = False

    def bind(self, transaction: Transaction, submission: Submission) -> None:
        """Use this transaction and this submission from now on."""
        self._transaction = transaction
        self._submission = submission
        self._holds_locks = False

    def require_locks(self) -> None:
        """Raise LookupError unless the submission is locked: a disabled Powertools calls no hook."""
        if not self._holds_locks:
            raise LookupError("the submission is not locked")

    def _put_record(self, data_record: DataRecord) -> None:
        key_hash, record_id = data_record.idempotency_key, self._submission.record_id
        try:
            ((erased, first_correlation_id, *answer),) = self._transaction.execute(
                QUERIES["lock_and_read_answer"],
                {
                    "lock_id": _lock_id(key_hash),
                    "record_lock_id": record_lock_id(record_id),
                    "key_hash": key_hash,
                    "record_id": record_id,
                },
            )
            if erased:
                raise RecordErased("was used for a record that has been erased", field="Idempotency-Key")
            if answer[0] is not None:
                self._answer_again(data_record, *answer)
            if first_correlation_id is not None:
                self._restore_answer(data_record, Receipt(str(record_id), first_correlation_id))
            self._holds_locks = True
        except BaseException:
            self._transaction.rollback()
            raise

    def _answer_again(self, asked: DataRecord, body_hash: str, response: str, expired: bool) -> None:
        """Raise the stored answer or a conflict; return only if an expired key came with another body."""
        kept = DataRecord(
            idempotency_key=asked.idempotency_key,
            status=STATUS_CONSTANTS["COMPLETED"],
            payload_hash=body_hash,
            response_data=response,
        )
        if expired and body_hash != asked.payload_hash:
            return
        # Powertools calls no further hook on an existing row, so the body is compared here.
        self._validate_payload(asked, kept)
        raise IdempotencyItemAlreadyExistsError(old_data_record=kept)

    def _restore_answer(self, asked: DataRecord, receipt: Receipt) -> NoReturn:
        """Store the first answer again and raise it.

        Retention has deleted the key's row, but the record exists, and a second object would belong to no row.
        """
        kept = DataRecord(
            idempotency_key=asked.idempotency_key,
            status=STATUS_CONSTANTS["COMPLETED"],
            payload_hash=asked.payload_hash,
            response_data=json.dumps(vars(receipt), sort_keys=True),
        )
        self._update_record(kept)
        raise IdempotencyItemAlreadyExistsError(old_data_record=kept)

    def _update_record(self, data_record: DataRecord) -> None:
        try:
            self._transaction.execute_and_commit(
                QUERIES["keep_answer"],
                {
                    "partner_id": self._submission.partner_id,
                    "route": self._submission.route,
                    "key_hash": data_record.idempotency_key,
                    "body_hash": data_record.payload_hash,
                    "response": data_record.response_data,
                    "expires_after_seconds": self.expires_after_seconds,
                },
            )
        except BaseException:
            self._transaction.rollback()
            raise

    def _delete_record(self, data_record: DataRecord) -> None:
        self._transaction.rollback()

    def _get_record(self, idempotency_key: str) -> NoReturn:
        # Never needed: the exception of _put_record carries the existing row.
        raise IdempotencyItemNotFoundError


def _lock_id(key_hash: str) -> int:
    """Return 64 bits of the hash as the signed integer that an advisory lock takes."""
    digest = key_hash.rpartition("#")[2]
    return int.from_bytes(bytes.fromhex(digest[:16]), "big", signed=True)
