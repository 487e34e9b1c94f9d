"""Listings of a bucket, page by page, in key order.

boto3, not obstore: that lists whole folders only, and a shard is a range of keys within one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from exchange.errors import DependencyUnavailable
from exchange.platform.settings import load_settings

PAGE_KEYS = 1_000


@dataclass(frozen=True)
class ListedObject:
    """An object as a listing shows it; `last_modified` is aware UTC."""

    key: str
    size_bytes: int
    last_modified: datetime


@dataclass(frozen=True)
class ListedPage:
    """Objects in key order, the folders among them, the key to continue after, and whether there is more."""

    objects: tuple[ListedObject, ...]
    folders: tuple[str, ...]
    last: str
    has_more: bool


class Listing:
    """The listing of one bucket."""

    def __init__(self, client: Any, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def page(self, prefix: str, after: str = "", *, limit: int = PAGE_KEYS, flat: bool = False) -> ListedPage:
        """Return up to `limit` keys under `prefix` that sort after `after`; `flat` folds keys below a further slash.

        The keys of one folder must have one form and width: only then do all object stores agree on their order.
        Raises DependencyUnavailable.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        options = {"Delimiter": "/"} if flat else {}
        try:
            answer = self._client.list_objects_v2(
                Bucket=self._bucket, Prefix=prefix, StartAfter=after, MaxKeys=limit, **options
            )
        except (BotoCoreError, ClientError) as error:
            raise DependencyUnavailable("the bucket cannot be listed") from error
        objects = tuple(
            ListedObject(entry["Key"], entry["Size"], entry["LastModified"])
            for entry in answer.get("Contents", ())
        )
        folders = tuple(entry["Prefix"] for entry in answer.get("CommonPrefixes", ()))
        # Past all keys that are folded into the folder: some stores show it again for each of them, others do not.
        passed = (f"{folder.rstrip('/')}~" for folder in folders)
        last = max((*(listed.key for listed in objects), *passed), default=after)
        return ListedPage(objects, folders, last, bool(answer["IsTruncated"]))

    def folders(self, prefix: str, after: str = "") -> Iterator[str]:
        """Yield the folders right below `prefix`, in order, with their slash."""
        while True:
            page = self.page(prefix, after, flat=True)
            yield from page.folders
            if not page.has_more:
                return
            after = page.last

    def find(self, key: str) -> ListedObject | None:
        """Return the object under exactly this key, or None."""
        page = self.page(key, limit=1)
        return page.objects[0] if page.objects and page.objects[0].key == key else None


@cache
def raw_listing() -> Listing:
    """Return the listing of the raw records' bucket."""
    import boto3
    from botocore.config import Config

    settings = load_settings()
    # A local endpoint supports path-style addresses only.
    style = {"s3": {"addressing_style": "path"}} if settings.aws_endpoint_url_s3 else {}
    client = boto3.client(
        "s3",
        region_name=settings.aws_region,
        endpoint_url=settings.aws_endpoint_url_s3 or None,
        config=Config(connect_timeout=2, read_timeout=8, retries={"total_max_attempts": 3}, **style),
    )
    return Listing(client, settings.require("raw_bucket"))
