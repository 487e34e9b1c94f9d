"""Every error that the exchange raises on purpose.

ExchangeError
├── RequestRefused                 the request is at fault: a 4xx, which an identical retry only repeats
│   ├── InvalidRequest             400
│   │   └── ContractViolation      400, names the field that broke the contract
│   ├── Unauthenticated            401
│   ├── Forbidden                  403
│   ├── IdempotencyConflict        409
│   ├── RecordErased               410
│   ├── PayloadTooLarge            413
│   └── UnsupportedContentType     415
├── RecordFailed                   one record fails: it counts as an attempt and may end as a dead letter
│   ├── RecordRejected             a retry cannot help (schema, hash, size, unknown version)
│   └── RecordNotReady             a retry may help (the object is not there yet)
├── RowRefused                     a constraint of the database rejected a row
├── DependencyUnavailable          Postgres, S3, Kafka or a function did not answer: a 503, not counted as an attempt
└── Misconfigured                  a setting is missing or forbidden in this environment

Messages may be shown to anyone: they name fields and rules, never values.
"""

from __future__ import annotations

from typing import ClassVar


class ExchangeError(Exception):
    """The root of the tree: catch this and nothing broader."""

    code: ClassVar[str] = "exchange_error"
    retryable: ClassVar[bool] = False


class RequestRefused(ExchangeError):
    """The request was refused: the caller has to change it before sending it again."""

    code = "refused"

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message if field is None else f"{field}: {message}")
        self.field = field


class InvalidRequest(RequestRefused):
    """The request cannot be read in the format that it claims to have."""

    code = "invalid_request"


class ContractViolation(InvalidRequest):
    """A document breaks its contract; `field` is the dotted path of the fault, `$` the document itself."""

    code = "contract_violation"


class Unauthenticated(RequestRefused):
    """The bearer token is missing, malformed, expired or issued for another audience."""

    code = "unauthenticated"


class Forbidden(RequestRefused):
    """The caller is authenticated but lacks the permission."""

    code = "forbidden"


class IdempotencyConflict(RequestRefused):
    """The Idempotency-Key has already been used with another body."""

    code = "idempotency_conflict"


class RecordErased(RequestRefused):
    """The record of this request has been erased and cannot be submitted again."""

    code = "record_erased"


class PayloadTooLarge(RequestRefused):
    """The body exceeds the limit of this route."""

    code = "payload_too_large"


class UnsupportedContentType(RequestRefused):
    """The Content-Type of the body is not application/json."""

    code = "unsupported_content_type"


class RecordFailed(ExchangeError):
    """A record could not be made canonical; `stage` names the step that failed, as the dead letter records it."""

    code = "record_failed"

    def __init__(self, message: str, *, stage: str) -> None:
        super().__init__(message)
        self.stage = stage


class RecordRejected(RecordFailed):
    """A record fails in a way that no retry can change."""

    code = "record_rejected"


class RecordNotReady(RecordFailed):
    """A record fails now but may succeed later."""

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
    """A setting is missing, malformed or not allowed in this environment; the message names only the setting."""

    code = "misconfigured"
