"""Every error that the exchange raises on purpose.

ExchangeError
├── RequestRefused                 the caller's doing: a 4xx, never worth an identical retry
│   ├── InvalidRequest             400
│   │   └── ContractViolation      400, names the field that broke the contract
│   ├── Unauthenticated            401
│   ├── Forbidden                  403
│   ├── IdempotencyConflict        409
│   ├── RecordErased               410
│   ├── PayloadTooLarge            413
│   └── UnsupportedContentType     415
├── RecordFailed                   one record's own failure: counts as an attempt, ends as a dead letter
│   ├── RecordRejected             trying again cannot help (schema, hash, size, unknown version)
│   └── RecordNotReady             trying again may help (object not there yet)
├── RowRefused                     a constraint of the database kept a row out
├── DependencyUnavailable          Postgres, S3, Kafka or a function did not answer: 503, counts nothing
└── Misconfigured                  a setting is missing or forbidden in this environment

Messages are written for strangers: they name fields and rules, never values.
"""

from __future__ import annotations

from typing import ClassVar


class ExchangeError(Exception):
    """The root of the tree: catch this and nothing broader."""

    code: ClassVar[str] = "exchange_error"
    retryable: ClassVar[bool] = False


class RequestRefused(ExchangeError):
    """The caller has to change something before it sends this again."""

    code = "refused"

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message if field is None else f"{field}: {message}")
        self.field = field


class InvalidRequest(RequestRefused):
    """The request cannot be read in the format that it claims to have."""

    code = "invalid_request"


class ContractViolation(InvalidRequest):
    """A document breaks its contract; `field` is the dotted path, `$` the document itself."""

    code = "contract_violation"


class Unauthenticated(RequestRefused):
    """The bearer token is missing, malformed, expired or not ours."""

    code = "unauthenticated"


class Forbidden(RequestRefused):
    """The caller is known and may not do this."""

    code = "forbidden"


class IdempotencyConflict(RequestRefused):
    """The Idempotency-Key was already used with another body."""

    code = "idempotency_conflict"


class RecordErased(RequestRefused):
    """The record that this request asks for was erased, and stays so."""

    code = "record_erased"


class PayloadTooLarge(RequestRefused):
    """The body is over the limit of this route."""

    code = "payload_too_large"


class UnsupportedContentType(RequestRefused):
    """The body is not declared as application/json."""

    code = "unsupported_content_type"


class RecordFailed(ExchangeError):
    """One record could not be made canonical; `stage` says where, in the dead letter's words."""

    code = "record_failed"

    def __init__(self, message: str, *, stage: str) -> None:
        super().__init__(message)
        self.stage = stage


class RecordRejected(RecordFailed):
    """This record will fail the same way every time."""

    code = "record_rejected"


class RecordNotReady(RecordFailed):
    """This record may succeed later."""

    code = "record_not_ready"
    retryable = True


class RowRefused(ExchangeError):
    """A constraint refused a row; the message names the constraint and shows nothing of the row."""

    code = "row_refused"


class DependencyUnavailable(ExchangeError):
    """A service that we depend on did not answer; nothing is wrong with the request or the record."""

    code = "dependency_unavailable"
    retryable = True


class Misconfigured(ExchangeError):
    """A setting is missing, malformed or not allowed in this environment; names the setting only."""

    code = "misconfigured"
