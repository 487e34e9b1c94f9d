"""`exchange token`"""

from __future__ import annotations

from typing import Annotated

import typer

from infra.cli.failure import fail
from infra.cli.options import DataDir
from infra.cli.running_system import find_addresses
from infra.cli.times import read_duration
from infra.system.layout import DEFAULT_DATA_DIR
from infra.system.local_tokens import SCOPES, sign_token


def token(
    partner: Annotated[str, typer.Option(help="The partner of the token.")] = "partnerA",
    scope: Annotated[
        list[str] | None,
        typer.Option(help="A scope; can be given several times.", show_default=" ".join(SCOPES)),
    ] = None,
    expires_in: Annotated[
        str, typer.Option(help="The lifetime, such as 90s, 15m, 1h, 7d; -1h gives an expired token.")
    ] = "1h",
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Print a token for this machine's exchange, and nothing else.

    It is signed with the secret of the data folder, so no other system accepts it. A partner can send only under its
    own sources: partnerA as partnerA or hospital-a, partnerB as partnerB or hospital-b.

    Example: curl -H "Authorization: Bearer $(exchange token --partner partnerB)" …
    """
    addresses = find_addresses(data_dir)
    if addresses is None:
        fail(f"no exchange was ever started on {data_dir}; start it with: exchange up --detach")
    scopes = tuple(word for given in scope for word in given.split()) if scope else SCOPES
    lifetime = read_duration(expires_in)
    if lifetime is None:
        fail("--expires-in is a number and s, m, h or d, such as 15m")
    print(sign_token(addresses.jwt_secret, partner, scopes=scopes, expires_in=lifetime))
