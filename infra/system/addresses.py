"""The ports that a system is asked to listen on, and the addresses where it does."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

from infra.embedded.files import replace_file
from infra.embedded.ports import can_bind, choose_ports


class OtherVersion(Exception):
    """Another version of this program wrote the data folder's addresses; the message is for people."""


@dataclass(frozen=True)
class Ports:
    """The ports that a system shall listen on.

    0 is any free port; None is the usual one, or a free one if that is taken.
    """

    ingest: int = 8080
    tokenize: int = 8081
    lambda_: int = 3001
    admin: int = 3002
    postgres: int | None = None
    s3: int | None = None
    kafka: int | None = None

    @classmethod
    def any(cls) -> Self:
        """Return free ports for everything: for a system beside another."""
        return cls(0, 0, 0, 0, 0, 0, 0)

    def taken(self) -> Mapping[str, int]:
        """Return the HTTP ports that another program holds, by field."""
        wanted = {
            "ingest": self.ingest,
            "tokenize": self.tokenize,
            "lambda_": self.lambda_,
            "admin": self.admin,
        }
        return {name: port for name, port in wanted.items() if port and not can_bind(port)}


@dataclass(frozen=True)
class Addresses:
    """The addresses and secrets of a running system, kept in its data folder for the other commands."""

    pid: int
    ingest: str
    tokenize: str
    lambda_: str
    admin: str
    kafka_brokers: str
    s3: str
    postgres_dsn: str = field(repr=False)
    s3_access_key: str = field(repr=False)
    s3_secret_key: str = field(repr=False)
    jwt_secret: str = field(repr=False)

    def save(self, data_dir: Path) -> None:
        """Write the file that other commands wait for. It holds local secrets, so its owner alone can read it."""
        replace_file(data_dir / "addresses.json", json.dumps(asdict(self), indent=2))

    @classmethod
    def load(cls, data_dir: Path) -> Self | None:
        """Return the addresses of the system whose data is in `data_dir`, or None if none was ever started.

        Raises OtherVersion if another version wrote them in another form.
        """
        path = data_dir / "addresses.json"
        if not path.exists():
            return None
        try:
            return cls(**json.loads(path.read_text()))
        except (TypeError, ValueError) as error:
            raise OtherVersion(
                f"the system on {data_dir} was started by another version of exchange;"
                " start it again with this one: exchange down, then exchange up"
            ) from error


def free_port() -> int:
    """Return a port that nobody holds now, and that no outgoing connection gets before somebody listens on it."""
    return choose_ports({"free": (0, None)}, {}, lambda _name, _port: True)["free"]
