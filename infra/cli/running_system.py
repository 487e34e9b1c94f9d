"""The running system that a command speaks to."""

from __future__ import annotations

from pathlib import Path

from infra.cli.failure import fail
from infra.system.addresses import Addresses, OtherVersion
from infra.system.lock import find_holder


def find_addresses(data_dir: Path) -> Addresses | None:
    """Return the addresses as Addresses.load does; end the command if another version wrote them."""
    try:
        return Addresses.load(data_dir)
    except OtherVersion as other:
        fail(str(other))


def running_system(data_dir: Path) -> Addresses:
    """Return the addresses of the system that runs on `data_dir`; end the command if none does or it still starts."""
    holder = find_holder(data_dir)
    if holder is None:
        fail(f"nothing runs on {data_dir}; start it with: exchange up --detach")
    addresses = find_addresses(data_dir)
    if addresses is None or addresses.pid != holder.pid:
        fail(
            f"the system on {data_dir} has no functions ({holder}):"
            " it is still starting, or exchange services, which has none"
        )
    return addresses
