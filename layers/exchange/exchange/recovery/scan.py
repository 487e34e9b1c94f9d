"""A scan of the bucket, folder by folder and page by page, from a job's position."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from exchange.platform.listing import ListedObject, Listing
from exchange.raw.key import Folder, RawKey
from exchange.recovery.model import Selection, Shard

# Each restored record takes a lock: sixteen shards together stay below the number that Postgres allows by default.
PAGE_OBJECTS = 250


@dataclass(frozen=True)
class Page:
    """All objects of a folder with keys in (`after`, `upto`]; `progress` is that of the scan after this page."""

    folder: Folder
    objects: tuple[ListedObject, ...]
    after: str
    upto: str
    progress: float

    @property
    def cursor(self) -> str:
        """The key after which the scan continues."""
        return self.upto


class Scan:
    """One shard of a selection in order: by source, in each the first system's objects, then the hours, each by key."""

    def __init__(
        self,
        listing: Listing,
        selection: Selection,
        shard: Shard,
        *,
        old_layout: bool = True,
        more_sources: Iterable[str] = (),
        more_folders: Callable[[str], Iterable[Folder]] = lambda source: (),
        end_within: Callable[[Folder, str, str], str] = lambda folder, after, upto: upto,
    ) -> None:
        """Create a scan, also of `more_sources` and `more_folders`, since the bucket may have lost all their objects.

        `end_within` shortens a page of (`after`, `upto`] where more keys are known than fit into a page.
        """
        self._listing = listing
        self._selection = selection
        self._shard = shard
        self._old_layout = old_layout
        self._more_sources = more_sources
        self._more_folders = more_folders
        self._end_within = end_within

    def pages(self, cursor: str | None, limit: Callable[[], int] | None = None) -> Iterator[Page]:
        """Yield the pages after `cursor`, of at most `limit()` objects each, or PAGE_OBJECTS without it.

        Empty pages are yielded, too, since they cover a range of keys.
        """
        folders = self._folders()
        at = Folder.containing(cursor) if cursor else None
        for index, folder in enumerate(folders):
            if at is not None and folder < at:
                continue
            after = cursor if cursor and folder == at else f"{folder.prefix}{self._shard.after}"
            upto = f"{folder.prefix}{self._shard.upto}"
            while after < upto:
                page = self._page(folder, after, upto, limit() if limit else PAGE_OBJECTS)
                after = page.upto
                done = 1.0 if after == upto else self._part_done(page)
                yield Page(folder, page.objects, page.after, page.upto, (index + done) / len(folders))

    def _page(self, folder: Folder, after: str, upto: str, limit: int) -> Page:
        listed = self._listing.page(folder.prefix, after, limit=limit, flat=not folder.hour)
        more = listed.has_more and listed.last < upto
        end = self._end_within(folder, after, listed.last if more else upto)
        inside = tuple(entry for entry in listed.objects if entry.key < upto and entry.key <= end)
        return Page(folder, inside, after, end, 0.0)

    def _part_done(self, page: Page) -> float:
        key = RawKey.parse(page.upto)
        return self._shard.part_done(key.record_id) if key else 0.0

    def _folders(self) -> list[Folder]:
        return [folder for source in self._sources() for folder in self._folders_of(source)]

    def _sources(self) -> list[str]:
        named = self._selection.source
        names = {named} if named else {prefix.rstrip("/") for prefix in self._listing.folders("")}
        names |= set(self._more_sources)
        return sorted(name for name in names if self._selection.has_source(name))

    def _folders_of(self, source: str) -> list[Folder]:
        found = {*self._listed_hours(source), *self._more_folders(source)}
        if self._old_layout:
            found.add(Folder(source, ""))
        return sorted(folder for folder in found if self._selection.has_folder(folder))

    def _listed_hours(self, source: str) -> Iterator[Folder]:
        """Yield the hours of the window; list as few other keys as possible."""
        selection = self._selection
        prefixes, after = [f"{source}/2"], f"{source}/2"
        if selection.since is not None and selection.until is not None:
            # No record id begins with a year and a dash, so that objects of the old layout are not listed on the way.
            years = range(selection.since.year, selection.until.year + 1)
            prefixes = [f"{source}/{year:04}-" for year in years]
            # Begin with the day: stores differ in whether a listing after a folder's name includes that folder.
            after = f"{source}/{selection.since_hour[:-2]}"
        for prefix in prefixes:
            for name in self._listing.folders(prefix, max(prefix, after)):
                folder = Folder.of(name)
                if folder is not None and folder.hour > selection.until_hour:
                    return
                if folder is not None:
                    yield folder
