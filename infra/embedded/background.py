from __future__ import annotations

import asyncio
import atexit
from collections.abc import Coroutine
from threading import Thread
from types import TracebackType
from typing import Any, Self, TypeVar

from .config import StackConfig
from .endpoints import Endpoints
from .errors import StackError
from .process import ServiceStatus
from .stack import Stack

T = TypeVar("T")


class BackgroundStack:
    """A `Stack` for code without an event loop, tests above all: `with BackgroundStack(config) as stack: …`.

    The services live as long as this process at most, even where nobody calls `stop`.
    """

    def __init__(self, config: StackConfig) -> None:
        self._stack = Stack(config)
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="embedded stack", daemon=True)
        self._endpoints: Endpoints | None = None

    @property
    def endpoints(self) -> Endpoints:
        if self._endpoints is None:
            raise StackError("the stack is not started")
        return self._endpoints

    def start(self) -> Endpoints:
        self._thread.start()
        atexit.register(self.stop)
        try:
            self._endpoints = self._run(self._stack.start())
        except BaseException:  # Ctrl-C during the start included
            self.stop()
            raise
        return self._endpoints

    def stop(self) -> None:
        if not self._thread.is_alive():
            return
        atexit.unregister(self.stop)
        self._run(self._stack.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def status(self) -> tuple[ServiceStatus, ...]:
        return self._stack.status()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()
