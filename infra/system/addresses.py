"""Where a system listens: asked for, and found."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

ROOT = Path(__file__).parent.parent.parent
DEFAULT_DATA_DIR = ROOT / ".local"
BUCKET = "exchange-raw"
REGION = "us-east-1"


class OtherVersion(Exception):
    """The data folder's addresses were written by another version of this program; the message is for people."""


@dataclass(frozen=True)
class Ports:
    """Where the system is to listen. 0 is any free port; None the usual one, or a free one where that is taken."""

    ingest: int = 8080
    tokenize: int = 8081
    lambda_: int = 3001
    admin: int = 3002
    postgres: int | None = None
    s3: int | None = None
    kafka: int | None = None

    @classmethod
    def any(cls) -> Self:
        """All of them free ones: for a system beside another."""
        return cls(0, 0, 0, 0, 0, 0, 0)

    def taken(self) -> Mapping[str, int]:
        """Those of the four HTTP ports that another program holds, by their field."""
        wanted = {
            "ingest": self.ingest,
            "tokenize": self.tokenize,
            "lambda_": self.lambda_,
            "admin": self.admin,
        }
        return {name: port for name, port in wanted.items() if port and not _is_free(port)}


@dataclass(frozen=True)
class Addresses:
    """What a client of the running system needs; kept in the data folder for the other commands."""

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
        """Readable by its owner alone: it holds local secrets. Whole or not at all, since others wait for it."""
        path = data_dir / "addresses.json"
        replacement = path.with_suffix(".new")
        replacement.touch(mode=0o600)
        replacement.write_text(json.dumps(asdict(self), indent=2))
        replacement.replace(path)

    @classmethod
    def load(cls, data_dir: Path) -> Self | None:
        """The addresses of the system whose data is in `data_dir`, None where none was started.

        Raises OtherVersion where they are not what this version writes.
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
    """A port that nobody held a moment ago, nor is given to an outgoing connection before it is listened on."""
    from infra.embedded.ports import choose_ports  # the stack's whole import, which few commands pay for

    return choose_ports({"free": (0, None)}, {}, lambda _name, _port: True)["free"]


def _is_free(port: int) -> bool:
    with closing(socket.socket()) as probe:
        # As the servers do, so that connections in TIME_WAIT do not count as somebody.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
