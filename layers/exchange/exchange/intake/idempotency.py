"""Powertools' idempotency, kept in our own transaction.

`_put_record` opens the transaction and takes the lock, the service writes into it, `_update_record` commits. Two
requests with one key meet at the lock: the second waits, then reads the first one's answer. ADR 0002.
"""

from __future__ import annotations

from functools import cache
from typing import NoReturn
from uuid import UUID

from aws_lambda_powertools.utilities.idempotency import IdempotencyConfig
from aws_lambda_powertools.utilities.idempotency.exceptions import (
    IdempotencyItemAlreadyExistsError,
    IdempotencyItemNotFoundError,
)
from aws_lambda_powertools.utilities.idempotency.persistence.base import BasePersistenceLayer
from aws_lambda_powertools.utilities.idempotency.persistence.datarecord import STATUS_CONSTANTS, DataRecord

from exchange.errors import RecordErased
from exchange.intake.model import KEY_EXPIRES_AFTER, record_lock_id
from exchange.platform.db import Database, Transaction
from exchange.platform.queries import load_queries

QUERIES = load_queries(__file__)


@cache
def idempotency_config() -> IdempotencyConfig:
    """The scope of a key is (partner, route, key); the same key with another body is refused."""
    return IdempotencyConfig(
        event_key_jmespath="[partner_id, route, idempotency_key]",
        payload_validation_jmespath="body_sha256",
        hash_function="sha256",
        raise_on_no_idempotency_key=True,
        expires_after_seconds=int(KEY_EXPIRES_AFTER.total_seconds()),
    )


class PostgresPersistence(BasePersistenceLayer):
    """Idempotency rows in the transaction of the request they belong to. One request at a time, as on Lambda."""

    def __init__(self, database: Database) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._database = database
        self._transaction: Transaction | None = None
        self._record_id = UUID(int=0)
        self._scope: dict[str, str] = {}
        self.key_hash = ""
        """The name of the key's row."""
        self.first_correlation_id: str | None = None
        """Of the record in hand when it was stored before and only the key's row is gone."""

    @property
    def transaction(self) -> Transaction:
        """The open transaction of the request in hand."""
        if self._transaction is None:
            raise LookupError("no request is in hand")
        return self._transaction

    def open_for(self, *, partner_id: str, route: str, record_id: UUID) -> None:
        """Say whose row the next one is, and which record it answers for.

        Rolls back what a killed request (a BaseException calls no hook) left.
        """
        self._rollback()
        self._record_id = record_id
        self._scope = {"partner_id": partner_id, "route": route}

    def _put_record(self, data_record: DataRecord) -> None:
        self._transaction = self._database.begin()
        try:
            self.key_hash = data_record.idempotency_key
            ((erased, self.first_correlation_id, *answer),) = self._transaction.execute(
                QUERIES["lock_and_read_answer"],
                {
                    "lock_id": _lock_id(self.key_hash),
                    "record_lock_id": record_lock_id(self._record_id),
                    "key_hash": self.key_hash,
                    "record_id": self._record_id,
                },
            )
            if erased:
                raise RecordErased("was used for a record that has been erased", field="Idempotency-Key")
            if answer[0] is not None:
                self._answer_again(data_record, *answer)
        except BaseException:
            self._rollback()
            raise

    def _answer_again(self, asked: DataRecord, body_hash: str, response: str, expired: bool) -> None:
        """Raises with the kept answer, or with a conflict; returns when an expired key came with another body."""
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

    def _update_record(self, data_record: DataRecord) -> None:
        transaction, self._transaction = self.transaction, None
        try:
            transaction.execute_and_commit(
                QUERIES["keep_answer"],
                {
                    **self._scope,
                    "key_hash": data_record.idempotency_key,
                    "body_hash": data_record.payload_hash,
                    "response": data_record.response_data,
                    "expires_after_seconds": self.expires_after_seconds,
                },
            )
        except BaseException:
            transaction.rollback()
            raise

    def _delete_record(self, data_record: DataRecord) -> None:
        self._rollback()

    def _get_record(self, idempotency_key: str) -> NoReturn:
        # An existing row always travels with the exception of _put_record.
        raise IdempotencyItemNotFoundError

    def _rollback(self) -> None:
        if self._transaction is not None:
            self._transaction.rollback()
            self._transaction = None


def _lock_id(key_hash: str) -> int:
    """64 bits of the hash as the signed integer that an advisory lock takes."""
    digest = key_hash.rpartition("#")[2]
    return int.from_bytes(bytes.fromhex(digest[:16]), "big", signed=True)
