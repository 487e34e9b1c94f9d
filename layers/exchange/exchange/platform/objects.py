"""Raw objects in S3 through obstore, which is several times faster than boto3 and imports in a tenth of the time."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache

import obstore
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import S3Store

from exchange.errors import DependencyUnavailable
from exchange.platform.settings import load_settings


@dataclass(frozen=True)
class StoredObject:
    """An object's bytes and its metadata (names in lower case)."""

    body: bytes = field(repr=False)
    metadata: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True)
class ObjectOverLimit:
    """An object too large to be read whole; ingest never writes one."""

    size_bytes: int


class Objects:
    """The objects of one bucket."""

    def __init__(self, store: S3Store) -> None:
        self._store = store

    def put(self, key: str, body: bytes, metadata: Mapping[str, str]) -> None:
        """Store an object durably; raises DependencyUnavailable if that fails."""
        try:
            obstore.put(
                self._store,
                key,
                body,
                attributes={"Content-Type": "application/json", **metadata},
                use_multipart=False,
            )
        except (BaseError, OSError) as error:
            raise DependencyUnavailable("the object store did not take the object") from error

    def get_many(
        self, keys: Sequence[str], *, limit_bytes: int
    ) -> list[StoredObject | ObjectOverLimit | None]:
        """Read the objects under `keys` side by side; return them in that order, None for one that is not there."""
        return asyncio.run(self._get_many(keys, limit_bytes))

    async def _get_many(
        self, keys: Sequence[str], limit_bytes: int
    ) -> list[StoredObject | ObjectOverLimit | None]:
        slots = asyncio.Semaphore(32)

        async def get(key: str) -> StoredObject | ObjectOverLimit | None:
            async with slots:
                return await self._get(key, limit_bytes)

        found = list(await asyncio.gather(*map(get, keys)))
        if None in found:
            await self._prove_bucket()
        return found

    async def _prove_bucket(self) -> None:
        """Raise DependencyUnavailable if the bucket is gone: "not found" is then an outage, not a record's failure."""
        try:
            await obstore.list_with_delimiter_async(self._store, prefix="0")
        except (BaseError, OSError) as error:
            raise DependencyUnavailable("the bucket cannot be read") from error

    async def _get(self, key: str, limit_bytes: int) -> StoredObject | ObjectOverLimit | None:
        try:
            found = await obstore.get_async(self._store, key)
            if found.meta["size"] > limit_bytes:
                return ObjectOverLimit(found.meta["size"])
            body = bytes(await found.bytes_async())
        except (FileNotFoundError, NotFoundError):
            return None
        except (BaseError, OSError) as error:
            raise DependencyUnavailable("the object store did not give the object") from error
        return StoredObject(body, {name.lower(): value for name, value in found.attributes.items()})


@cache
def raw_objects() -> Objects:
    """Return the bucket of the raw records."""
    settings = load_settings()
    endpoint = settings.aws_endpoint_url_s3
    store = S3Store(
        settings.require("raw_bucket"),
        region=settings.aws_region,
        virtual_hosted_style_request=not endpoint,
        client_options={"timeout": "8s", "connect_timeout": "2s", "allow_http": bool(endpoint)},
        retry_config={"max_retries": 2, "retry_timeout": timedelta(seconds=8)},
        config={"endpoint": endpoint} if endpoint else {},
    )
    return Objects(store)
