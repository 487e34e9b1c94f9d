"""Builds of functions and layers, as `sam build` makes them, kept by content hash.

https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/building-layers.html
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from sam_offline.errors import BuildError
from sam_offline.execution.interpreter import Interpreter
from sam_offline.model import Source

# The packages that Lambda provides beside the function's own code.
RUNTIME_REQUIREMENTS = ("awslambdaric==4.2.2", "boto3==1.44.5")
_NOT_CODE = frozenset({"__pycache__", "node_modules"})


class Builder:
    """Builds functions and layers into `folder`, once for each content.

    The methods block: call them in a thread. They raise BuildError with the output of the tool that failed.
    """

    def __init__(self, folder: Path, interpreter: Interpreter, copies: Path | None = None) -> None:
        """Build for `interpreter`.

        With `copies`, code is copied there and not used in place, so that an edit does not change running code.
        """
        self._folder = folder
        self._copies = copies
        self._interpreter = interpreter.path
        self._version = interpreter.version

    def runtime(self) -> Path:
        """Return the folder with awslambdaric and boto3."""
        key = _digest(self._version, *RUNTIME_REQUIREMENTS)
        return _once(self._folder / f"runtime-{key}", lambda target: self._pip(target, *RUNTIME_REQUIREMENTS))

    def function(self, source: Source) -> tuple[Path, ...]:
        """Return a function's code folder and, if it has requirements, the folder with them."""
        if source.inline_code is not None:
            return (self._inline(source.logical_id, source.inline_code),)
        source = self._unpacked(source)
        _require_folder(source)
        if source.build_method == "makefile":
            return (self._make(source),)
        return (self._code(source), *self._requirements(source))

    def layer(self, source: Source) -> tuple[Path, ...]:
        """Return the folders that a layer adds to Python's path."""
        source = self._unpacked(source)
        _require_folder(source)
        if source.build_method is None:
            return self._python_folders(self._code(source))
        if source.build_method == "makefile":
            return self._python_folders(self._make(source))
        # `sam build` copies the folder into python/. It is used in place here, so that an edit is seen at once.
        return (self._code(source), *self._requirements(source))

    def _inline(self, logical_id: str, code: str) -> Path:
        # https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-lambda-function-code.html
        def write(target: Path) -> None:
            (target / "index.py").write_text(code, encoding="utf-8")

        return _once(self._folder / f"{logical_id}-{_digest(code)}", write)

    def _unpacked(self, source: Source) -> Source:
        """Return `source` with a .zip file unpacked: `sam deploy` uploads such an archive as it is."""
        if source.path.suffix != ".zip" or not source.path.is_file():
            return source
        try:
            key = hashlib.sha256(source.path.read_bytes()).hexdigest()[:16]
            target = self._folder / f"{source.logical_id}-{key}"
            unpacked = _once(target, lambda scratch: shutil.unpack_archive(source.path, scratch))
        except (OSError, zipfile.BadZipFile) as error:
            raise BuildError(
                f"{source.logical_id}: {source.path.name} cannot be unpacked: {error}"
            ) from error
        return replace(source, path=unpacked)

    def _python_folders(self, root: Path) -> tuple[Path, ...]:
        # The two places that Lambda's Python has on its path, in its order:
        # https://docs.aws.amazon.com/lambda/latest/dg/packaging-layers.html
        folders = (root / "python" / "lib" / f"python{self._version}" / "site-packages", root / "python")
        return tuple(folder for folder in folders if folder.is_dir())

    def _requirements(self, source: Source) -> tuple[Path, ...]:
        requirements = source.path / "requirements.txt"
        if not requirements.is_file() or not _has_entries(requirements):
            return ()
        key = _digest(self._version, requirements.read_text(encoding="utf-8"))
        install = lambda target: self._pip(target, "-r", str(requirements))  # noqa: E731
        return (_once(self._folder / f"{source.logical_id}-{key}", install),)

    def _code(self, source: Source) -> Path:
        if self._copies is None:
            return source.path
        try:
            files = sorted(code_files(source.path, self._copies))
            state = (f"{path} {stat.st_size} {stat.st_mtime_ns}" for path in files if (stat := path.stat()))
            target = self._copies / f"{source.logical_id}-{_digest(*state)}"
            return _once(target, lambda scratch: _copy(source.path, files, scratch))
        except OSError as error:
            # The file was saved again or removed meanwhile: that brings another event.
            raise BuildError(f"{source.logical_id}: {error}") from error

    def _make(self, source: Source) -> Path:
        key = _digest(self._version, _content_of(source.path))

        def run_make(target: Path) -> None:
            command = ["make", f"build-{source.logical_id}", f"ARTIFACTS_DIR={target}"]
            environment = {
                **os.environ,
                "ARTIFACTS_DIR": str(target),
                "PYTHON_VERSION": self._version,
                # The runner's `python3` first: it has a pip where the system's may have none.
                "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}",
            }
            _run(command, cwd=source.path, environment=environment, what=source.logical_id)

        return _once(self._folder / f"{source.logical_id}-{key}", run_make)

    def _pip(self, target: Path, *arguments: str) -> None:
        command = [sys.executable, "-m", "pip", "--python", str(self._interpreter), "install", "--quiet"]
        command += ["--disable-pip-version-check", "--root-user-action=ignore", "--target", str(target)]
        _run([*command, *arguments], cwd=target, environment=dict(os.environ), what=" ".join(arguments))


def _once(finished: Path, build: Callable[[Path], None]) -> Path:
    """Run `build` on a temporary folder and rename the result to `finished`, unless that exists.

    No reader ever sees an unfinished build, and of two builders at the same time one wins.
    """
    if finished.is_dir():
        return finished
    finished.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=finished.parent, prefix=".building-") as scratch:
        target = Path(scratch) / "built"
        target.mkdir()
        build(target)
        try:
            target.rename(finished)
        except OSError as error:
            if not finished.is_dir():
                raise BuildError(f"{finished.name}: {error}") from error
    return finished


def _run(command: list[str], *, cwd: Path, environment: dict[str, str], what: str) -> None:
    result = subprocess.run(
        command,
        cwd=cwd,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if result.returncode != 0:
        raise BuildError(f"{what} cannot be built:\n{result.stdout[-4000:]}")


def _require_folder(source: Source) -> None:
    if not source.path.is_dir():
        raise BuildError(f"{source.logical_id}: {source.path} is not a folder")


def _has_entries(requirements: Path) -> bool:
    lines = requirements.read_text(encoding="utf-8").splitlines()
    return any(line.strip() and not line.lstrip().startswith("#") for line in lines)


def _content_of(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            digest.update(f"{path.relative_to(folder)}\0{path.stat().st_size}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def code_files(folder: Path, without: Path) -> Iterator[Path]:
    """Yield every file of a code folder, following links, without caches and without the folder `without`."""
    seen = set[tuple[int, int]]()
    for root, folders, names in os.walk(folder, followlinks=True):
        stat = Path(root).stat()
        if Path(root) == without or (stat.st_dev, stat.st_ino) in seen:
            folders.clear()
            continue
        seen.add((stat.st_dev, stat.st_ino))
        folders[:] = [name for name in folders if not name.startswith(".") and name not in _NOT_CODE]
        yield from (path for path in (Path(root, name) for name in names) if path.is_file())


def _copy(folder: Path, files: list[Path], target: Path) -> None:
    for path in files:
        copied = target / path.relative_to(folder)
        copied.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, copied)


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
