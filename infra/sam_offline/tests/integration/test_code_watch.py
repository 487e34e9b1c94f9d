from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from sam_offline.execution.code_watch import CodeWatch


def test_a_fault_that_ends_the_watch_is_shown_at_once(tmp_path: Path) -> None:
    template = tmp_path / "template.yaml"
    template.write_text("one")

    async def take(saved: set[Path]) -> None:
        raise ZeroDivisionError

    async def scenario() -> BaseException:
        shown: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()

        def show(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
            if not shown.done():
                shown.set_result(context["exception"])

        asyncio.get_running_loop().set_exception_handler(show)
        watch = CodeWatch(template, tmp_path / "state", take)
        watch.start([])
        # The watch begins in a thread of its own: a save that comes before it is none.
        while not shown.done():
            template.write_text("two")
            await asyncio.wait((shown,), timeout=0.3)
        await watch.stop()
        return shown.result()

    assert isinstance(asyncio.run(asyncio.wait_for(scenario(), 60)), ZeroDivisionError)
