"""The acceptance of submissions: first the raw object is stored, then one transaction writes all of its rows."""

from __future__ import annotations

from functools import cache

from aws_lambda_powertools.utilities.idempotency import idempotent_function
from aws_lambda_powertools.utilities.idempotency.exceptions import (
    IdempotencyPersistenceLayerError,
    IdempotencyValidationError,
)
from aws_lambda_powertools.utilities.typing import LambdaContext

from exchange.errors import ExchangeError, IdempotencyConflict, RequestRefused
from exchange.intake import store
from exchange.intake.idempotency import AcceptanceSerializer, PostgresPersistence, idempotency_config
from exchange.intake.model import KEY_PREFIX, Acceptance, Receipt, RefusedRequest, Submission
from exchange.intake.request import read_submission
from exchange.outbox.model import OutboxEvent
from exchange.partners.service import PartnerRegistry
from exchange.platform.auth import Caller, authenticate
from exchange.platform.db import Database, Transaction, database
from exchange.platform.http import HttpRequest, status_of
from exchange.platform.objects import Objects, raw_objects
from exchange.platform.settings import Settings, load_settings
from exchange.raw.entry import encode_event, encode_metadata, topics_by_version


class Intake:
    """The intake of one environment."""

    def __init__(self, database: Database, objects: Objects, settings: Settings) -> None:
        self._database = database
        self._objects = objects
        self._settings = settings
        self._partners = PartnerRegistry(database)
        self._topics = topics_by_version(settings)
        self._persistence = PostgresPersistence()
        self._accept_once = idempotent_function(
            self._accept,
            data_keyword_argument="scope",
            persistence_store=self._persistence,
            config=idempotency_config(),
            output_serializer=AcceptanceSerializer(),
            key_prefix=KEY_PREFIX,
        )

    def submit(self, request: HttpRequest, context: LambdaContext) -> Receipt:
        """Accept the request's record, or return the answer of an earlier identical request.

        When this returns, the object is stored and the transaction committed. Raises RequestRefused or
        DependencyUnavailable; then nothing has been stored but, at worst, an object that a retry overwrites.
        """
        caller: Caller | None = None
        try:
            caller = authenticate(request.header("Authorization"), self._settings)
            submission = read_submission(request, caller, self._partners)
            return self._submit_once(submission, context)
        except RequestRefused as refused:
            store.audit_refusal(
                self._database,
                RefusedRequest(
                    route=request.route,
                    status=status_of(refused),
                    code=refused.code,
                    correlation_id=request.correlation_id,
                    partner_id=caller.partner_id if caller else None,
                ),
            )
            raise

    def _submit_once(self, submission: Submission, context: LambdaContext) -> Receipt:
        # the fields that make two requests the same, by the names in idempotency_config()
        scope = {
            "partner_id": submission.partner_id,
            "route": submission.route,
            "idempotency_key": submission.idempotency_key,
            "body_sha256": submission.body_sha256,
        }
        idempotency_config().register_lambda_context(context)
        try:
            # This rolls back on any BaseException, too, for which Powertools calls no hook.
            with self._database.transaction() as transaction:
                self._persistence.bind(transaction, submission)
                acceptance: Acceptance = self._accept_once(
                    scope=scope, submission=submission, transaction=transaction
                )
        except IdempotencyValidationError as error:
            raise IdempotencyConflict(
                "was already used with another body", field="Idempotency-Key"
            ) from error
        except IdempotencyPersistenceLayerError as error:
            if isinstance(error.__cause__, ExchangeError):
                raise error.__cause__ from error
            raise
        if not acceptance.was_new:
            store.audit_repetition(self._database, submission)
        return acceptance.receipt

    def _accept(
        self, *, scope: dict[str, str], submission: Submission, transaction: Transaction
    ) -> Acceptance:
        self._persistence.require_locks()
        # Only Powertools reads the scope. The object is stored first: a row without an object would be false, while
        # an object without a row is found by reconcile and by the client's retry.
        entry = submission.entry(self._settings.require("raw_bucket"))
        self._objects.put(entry.object_key, submission.body, encode_metadata(entry, submission.key_hash))
        event = OutboxEvent(
            topic=self._topics[entry.version],
            key=str(entry.record_id),
            value=encode_event(entry, entry.version),
        )
        store.accept_submission(transaction, entry, event, key_hash=submission.key_hash)
        return Acceptance(Receipt(event.key, entry.correlation_id), was_new=True)


@cache
def intake() -> Intake:
    """Return this environment's intake."""
    return Intake(database(), raw_objects(), load_settings())
