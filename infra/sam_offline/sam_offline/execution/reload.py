"""Hot reload: saved code replaces running code; if it does not start, the running code stays."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from sam_offline.errors import BuildError, InitFailed, RunnerError, TemplateError
from sam_offline.execution.code_watch import code_roots
from sam_offline.execution.functions import Functions
from sam_offline.model import Api, Application, Function, HttpApi

# Compiles files without running them, by the interpreter that will run them.
_COMPILE = (
    "import sys\nfor path in sys.argv[1:]: compile(open(path, 'rb').read(), path, 'exec', dont_inherit=True)"
)


class Reload:
    """Reloads functions and routes.

    New APIs and changes to schedules or event sources take a restart, which it announces.
    """

    def __init__(
        self,
        application: Application,
        functions: Functions,
        *,
        read: Callable[[], Application],
        serve: Callable[[Api | HttpApi], None],
        announce: Callable[[str], None],
    ) -> None:
        self.application = application
        self._functions = functions
        self._read = read
        self._serve = serve
        self._announce = announce
        # The saved files of each function that no environment has started with yet.
        self._unproven: dict[str, set[Path]] = {}
        self._at_once = asyncio.Semaphore(os.cpu_count() or 1)

    async def take_code(self, saved: Iterable[Path]) -> None:
        """Reload the functions whose code is among the saved files."""
        affected = []
        for function in self.application.functions:
            roots = code_roots(function)
            files = {path for path in saved if any(path.is_relative_to(root) for root in roots)}
            if files:
                self._unproven.setdefault(function.name, set()).update(files)
                affected.append(function)
        await self._take(affected)

    async def take_template(self) -> None:
        """Apply the changes of the template."""
        try:
            application = await asyncio.to_thread(self._read)
        except TemplateError as error:
            self._announce(f"The template is not taken, what runs stays as it is. {error}")
            return
        before, self.application = self.application, application
        known = {function.name: function for function in application.functions}
        await self._open([function for name, function in known.items() if name not in self._functions.pools])
        await self._take([function for name, function in known.items() if name in self._functions.pools])
        for name in set(self._functions.pools) - set(known):
            self._announce(f"{name}: ended, it is not in the template any more")
            await self._functions.close(name)
        self._serve_again(before, application)

    async def _open(self, functions: list[Function]) -> None:
        try:
            await self._functions.open(functions)
        except BuildError as error:
            self._announce(f"New functions cannot be built. {error}")
            return
        for function in functions:
            self._announce(f"{function.name}: new")

    async def _take(self, functions: Iterable[Function]) -> None:
        await asyncio.gather(*map(self._take_one, functions))

    async def _take_one(self, function: Function) -> None:
        name, began = function.name, time.perf_counter()
        async with self._at_once:
            try:
                launch = await self._functions.prepare(function)
                if launch == self._functions.pools[name].launch:
                    return
                await asyncio.to_thread(_compile, launch.interpreter.path, self._unproven.get(name, ()))
                await self._functions.replace(launch)
            except (RunnerError, SyntaxError) as error:
                self._announce(f"{name}: not reloaded, its code of before stays. {_reason(error)}")
            else:
                self._unproven.pop(name, None)
                self._announce(f"{name}: reloaded in {time.perf_counter() - began:.2f} s")

    def _serve_again(self, before: Application, now: Application) -> None:
        old, new = _apis(before), _apis(now)
        for api in new.values():
            if api.logical_id in old and api != old[api.logical_id]:
                self._serve(api)
                self._announce(f"{api.logical_id}: its routes are taken anew")
        unserved = {
            "APIs that are new or gone": old.keys() != new.keys(),
            "schedules": before.schedules != now.schedules,
            "event sources": before.kafka_sources != now.kafka_sources,
        }
        for what, has_changed in unserved.items():
            if has_changed:
                self._announce(f"The template's {what} changed: start again to take that")


def _apis(application: Application) -> dict[str, Api | HttpApi]:
    return {api.logical_id: api for api in application.gateways}


def _compile(interpreter: Path, saved: Iterable[Path]) -> None:
    """Raise SyntaxError for a broken file: a module that is imported late would otherwise fail only in use."""
    files = [str(path) for path in saved if path.suffix == ".py" and path.is_file()]
    if files:
        command = [str(interpreter), "-S", "-c", _COMPILE, *files]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode != 0:
            raise SyntaxError("\n".join(result.stderr.splitlines()[-4:]))


def _reason(error: Exception) -> str:
    if not isinstance(error, InitFailed):
        return str(error)
    report = json.loads(error.payload)
    return f"{error.error_type}: {report.get('errorMessage', '')}"
