"""Deletion of raw objects for good: every version and delete marker. Only erase and retain may do it.

boto3, since obstore neither lists nor deletes versions. A bucket without versioning lists each object as its one
version "null", so both kinds of bucket are treated alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from exchange.errors import DependencyUnavailable
from exchange.platform.settings import load_settings

# The most that S3 deletes in one call.
DELETE_PAGE = 1_000


@dataclass(frozen=True)
class ObjectVersion:
    """A version of an object, or a delete marker."""

    key: str
    version_id: str
    modified_at: datetime


class ObjectVersions:
    """The versions of the objects of one bucket. Every method raises DependencyUnavailable."""

    def __init__(self, client: Any, bucket: str) -> None:
        self._client = client
        self.bucket = bucket

    def find(self, prefix: str, *, limit: int = DELETE_PAGE) -> list[ObjectVersion]:
        """Return up to `limit` versions whose key begins with `prefix`."""
        with _outages():
            page = self._client.list_object_versions(Bucket=self.bucket, Prefix=prefix, MaxKeys=limit)
        return _versions(page)

    def pages(self, prefix: str) -> Iterator[list[ObjectVersion]]:
        """Yield all versions whose key begins with `prefix` by DELETE_PAGE; a page may be deleted at once."""
        with _outages():
            paginator = self._client.get_paginator("list_object_versions")
            for page in paginator.paginate(Bucket=self.bucket, Prefix=prefix):
                if versions := _versions(page):
                    yield versions

    def browse(self, folder: str) -> Iterator[str | ObjectVersion]:
        """Yield the contents of `folder` (it ends in "/"): names of folders, and versions of objects directly in it."""
        with _outages():
            paginator = self._client.get_paginator("list_object_versions")
            for page in paginator.paginate(Bucket=self.bucket, Prefix=folder, Delimiter="/"):
                yield from (found["Prefix"] for found in page.get("CommonPrefixes", ()))
                yield from _versions(page)

    def delete(self, versions: list[ObjectVersion]) -> int:
        """Delete at most DELETE_PAGE versions for good; return their number."""
        if not versions:
            return 0
        named = [{"Key": version.key, "VersionId": version.version_id} for version in versions]
        with _outages():
            answer = self._client.delete_objects(Bucket=self.bucket, Delete={"Objects": named, "Quiet": True})
        if answer.get("Errors"):
            raise DependencyUnavailable("the object store did not delete every version")
        return len(versions)

    def delete_all(self, key: str) -> int:
        """Delete every version of the object under exactly `key`; return their number."""
        deleted = 0
        while versions := [version for version in self.find(key) if version.key == key]:
            deleted += self.delete(versions)
        return deleted


def _versions(page: dict[str, Any]) -> list[ObjectVersion]:
    return [
        ObjectVersion(found["Key"], found["VersionId"], found["LastModified"])
        for found in (*page.get("Versions", ()), *page.get("DeleteMarkers", ()))
    ]


@contextmanager
def _outages() -> Iterator[None]:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError, OSError) as error:
        raise DependencyUnavailable("the object store did not answer") from error


@cache
def raw_object_versions() -> ObjectVersions:
    """Return the versions in the bucket of the raw records."""
    import boto3
    from botocore.config import Config

    settings = load_settings()
    # No endpoint is passed: boto3 itself reads AWS_ENDPOINT_URL_S3.
    client = boto3.client(
        "s3",
        region_name=settings.aws_region,
        config=Config(connect_timeout=2, read_timeout=15, retries={"total_max_attempts": 3}),
    )
    return ObjectVersions(client, settings.require("raw_bucket"))
