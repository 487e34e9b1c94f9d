"""Taking submissions in: raw object first, then one transaction for everything that is known about it."""

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
from exchange.intake.idempotency import PostgresPersistence, idempotency_config
from exchange.intake.model import KEY_PREFIX, Receipt, Refusal, Submission, record_ingested
from exchange.intake.reading import read_submission
from exchange.outbox.model import OutboxEvent
from exchange.partners.service import PartnerRegistry
from exchange.platform.auth import Caller, authenticate
from exchange.platform.db import Database, database
from exchange.platform.http import HttpRequest, status_of
from exchange.platform.objects import Objects, raw_objects
from exchange.platform.settings import Settings, load_settings


class Intake:
    """The intake of one environment."""

    def __init__(self, database: Database, objects: Objects, settings: Settings) -> None:
        self._database = database
        self._objects = objects
        self._settings = settings
        self._partners = PartnerRegistry(database)
        self._persistence = PostgresPersistence(database)
        self._topics = {"1": settings.topic_record_ingested_v1, "2": settings.topic_record_ingested_v2}
        self._accept_once = idempotent_function(
            self._accept,
            data_keyword_argument="scope",
            persistence_store=self._persistence,
            config=idempotency_config(),
            key_prefix=KEY_PREFIX,
        )

    def submit(self, request: HttpRequest, context: LambdaContext) -> Receipt:
        """Accept the request's record, or give the first answer again.

        When this returns, the object is stored and the transaction committed. Raises RequestRefused or
        DependencyUnavailable; then nothing has been kept but, at worst, an object that a retry writes again.
        """
        caller: Caller | None = None
        try:
            caller = authenticate(request.header("Authorization"), self._settings)
            submission = read_submission(request, caller, self._partners)
            return self._submit_once(submission, context)
        except RequestRefused as refused:
            store.audit_refusal(
                self._database,
                Refusal(
                    route=request.route,
                    status=status_of(refused),
                    code=refused.code,
                    correlation_id=request.correlation_id,
                    partner_id=caller.partner_id if caller else None,
                ),
            )
            raise

    def _submit_once(self, submission: Submission, context: LambdaContext) -> Receipt:
        # what makes two requests the same request, under the names of idempotency_config()
        scope = {
            "partner_id": submission.partner_id,
            "route": submission.route,
            "idempotency_key": submission.idempotency_key,
            "body_sha256": submission.body_sha256,
        }
        idempotency_config().register_lambda_context(context)
        self._persistence.open_for(
            partner_id=submission.partner_id, route=submission.route, record_id=submission.record_id
        )
        accepted: list[Submission] = []
        try:
            answer = self._accept_once(scope=scope, submission=submission, accepted=accepted)
        except IdempotencyValidationError as error:
            raise IdempotencyConflict(
                "was already used with another body", field="Idempotency-Key"
            ) from error
        except IdempotencyPersistenceLayerError as error:
            if isinstance(error.__cause__, ExchangeError):
                raise error.__cause__ from error
            raise
        if not accepted:
            store.audit_repetition(self._database, submission)
        return Receipt(**answer)

    def _accept(
        self, *, scope: dict[str, str], submission: Submission, accepted: list[Submission]
    ) -> dict[str, str]:
        first_correlation_id = self._persistence.first_correlation_id
        if first_correlation_id is not None:
            # Retention took the key's row; the record is there, and another object would belong to nobody.
            return {"record_id": str(submission.record_id), "correlation_id": first_correlation_id}
        # The scope is Powertools' to read. The object goes first: a row without an object would be a lie, an
        # object without a row is found by reconcile and by the client's retry.
        self._objects.put(submission.object_key, submission.body, submission.object_metadata)
        bucket = self._settings.require("raw_bucket")
        event = OutboxEvent(
            topic=self._topics[submission.version],
            key=str(submission.record_id),
            value=record_ingested(submission, bucket),
        )
        store.accept_submission(
            self._persistence.transaction,
            submission,
            event,
            bucket=bucket,
            key_hash=self._persistence.key_hash,
        )
        accepted.append(submission)
        return {"record_id": event.key, "correlation_id": submission.correlation_id}


@cache
def intake() -> Intake:
    """This environment's intake."""
    return Intake(database(), raw_objects(), load_settings())
