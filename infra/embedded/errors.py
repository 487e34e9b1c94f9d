from __future__ import annotations


class StackError(Exception):
    """The stack cannot do what it was asked. The root of every error here."""


class AlreadyRunning(StackError):
    """Another stack holds this data directory."""


class PortTaken(StackError):
    """A port that was asked for by number belongs to somebody else."""


class ServiceFailed(StackError):
    """A service did not come up; its log says why."""


class CannotDropRoot(StackError):
    """Postgres refuses to run as root, and this machine offers no other identity."""


class MigrationFailed(StackError):
    """A migration or a schema dump did not finish."""


class NotReady(StackError):
    """A service does not answer a real operation yet."""
