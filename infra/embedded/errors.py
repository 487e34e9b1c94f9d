from __future__ import annotations


class StackError(Exception):
    """The base class of the errors of a stack."""


class AlreadyRunning(StackError):
    """Another stack holds this data directory."""


class PortTaken(StackError):
    """Another program holds a port that was asked for by number."""


class ServiceFailed(StackError):
    """A service did not come up; its log says why."""


class CannotDropRoot(StackError):
    """Postgres refuses to run as root, and this machine offers no other identity."""


class MigrationFailed(StackError):
    """A migration or a schema dump did not finish."""


class NotReady(StackError):
    """A service does not answer a real operation yet."""
