"""The watch over an application's code."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator
from pathlib import Path
from typing import Any

from sam_offline.model import Function

# Long enough for an editor's several writes of one save, and for those of one `git checkout`.
_STEP_MS, _DEBOUNCE_MS = 20, 200


class CodeWatch:
    """Calls `on_saved` with the files that were saved since the last call, one call at a time."""

    def __init__(
        self, template: Path, without: Path, on_saved: Callable[[set[Path]], Awaitable[None]]
    ) -> None:
        self._template = template.resolve()
        self._without = without.resolve()
        self._on_saved = on_saved
        self._roots = frozenset[Path]()
        self._tasks: list[asyncio.Task[None]] = []
        self._turn = asyncio.Lock()

    def start(self, functions: Iterable[Function]) -> None:
        self._tasks = [self._begin(self._watch_template())]
        self.follow(functions)

    def follow(self, functions: Iterable[Function]) -> None:
        """Watch the folders of these functions, and no other."""
        roots = frozenset(root for function in functions for root in code_roots(function))
        if roots == self._roots:
            return
        self._roots = roots
        for task in self._tasks[1:]:
            task.cancel()
        self._tasks[1:] = [self._begin(self._watch_code(roots))]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _begin(self, watch: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(watch)
        task.add_done_callback(_show_fault)
        return task

    async def _watch_template(self) -> None:
        # Watch the folder, not the file: most editors replace the old file with a new one.
        await self._watch({self._template.parent}, lambda path: Path(path) == self._template, recursive=False)

    async def _watch_code(self, roots: Iterable[Path]) -> None:
        def is_code(path: str) -> bool:
            return Path(path) != self._template and not Path(path).is_relative_to(self._without)

        await self._watch(roots, is_code, recursive=True)

    async def _watch(
        self, roots: Iterable[Path], is_wanted: Callable[[str], bool], *, recursive: bool
    ) -> None:
        from watchfiles import DefaultFilter, awatch  # needed only with --watch

        # Leaves out what editors, Python and git write beside the code.
        is_source = DefaultFilter()
        changes = awatch(
            *roots,
            watch_filter=lambda change, path: is_wanted(path) and is_source(change, path),
            step=_STEP_MS,
            debounce=_DEBOUNCE_MS,
            recursive=recursive,
        )
        async for saved in changes:
            async with self._turn:
                await self._on_saved({Path(path) for _, path in saved})


def _show_fault(task: asyncio.Task[None]) -> None:
    # A bug of the runner, which would otherwise go unnoticed until `stop`: saved files are no longer taken.
    if not task.cancelled() and task.exception() is not None:
        context = {"message": "code is not watched any more", "exception": task.exception()}
        asyncio.get_running_loop().call_exception_handler(context)


def code_roots(function: Function) -> set[Path]:
    """Return the folders of a function's code and layers, and the targets of links in them.

    Inline code has no folder: it changes with the template.
    """
    sources = [source for source in (function.source, *function.layers) if source.inline_code is None]
    return {root for source in sources for root in _roots(source.path.resolve())}


def _roots(folder: Path) -> Iterator[Path]:
    yield folder
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in (*folders, *names):
            path = Path(root, name)
            if path.is_symlink() and path.exists() and not path.resolve().is_relative_to(folder):
                yield path.resolve()
