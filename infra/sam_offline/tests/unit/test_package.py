"""The package stands on its own: it imports itself, the standard library and what its pyproject.toml lists."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import sam_offline

FOLDER = Path(__file__).parents[2]
# Where the name that is imported is not the name that is installed.
DISTRIBUTIONS = {
    "aws_croniter": "aws-croniter",
    "botocore": "boto3",
    "kafka": "kafka-python",
    "prometheus_client": "prometheus-client",
    "samtranslator": "aws-sam-translator",
    "yaml": "pyyaml",
}
# Run as a program, and read by zoneinfo where the system has no time zones.
NOT_IMPORTED = {"pip", "tzdata"}


def listed() -> set[str]:
    project = tomllib.loads((FOLDER / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {re.split(r"[<>=]", requirement)[0] for requirement in project["dependencies"]}


def imports() -> Iterator[str]:
    """Yield the name of every module that a module of the package imports."""
    for path in (FOLDER / "sam_offline").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path} imports by a relative path"
                yield node.module or ""


def test_what_it_imports_from_outside_is_what_it_lists() -> None:
    outside = {name.partition(".")[0] for name in imports()} - sys.stdlib_module_names - {"sam_offline"}
    assert {DISTRIBUTIONS.get(name, name) for name in outside} == listed() - NOT_IMPORTED


def test_its_public_names_are_these() -> None:
    assert sam_offline.__all__ == [
        "Answer",
        "Application",
        "BuildError",
        "EventSources",
        "Function",
        "FunctionThrottled",
        "FunctionUnreachable",
        "InitFailed",
        "Invokes",
        "Launch",
        "PortTaken",
        "Runner",
        "RunnerConfig",
        "RunnerError",
        "TemplateError",
        "UnknownFunction",
        "UnknownSchedule",
        "UnknownSource",
        "prepare_launch",
        "read_template",
    ]
    assert [name for name in sam_offline.__all__ if not hasattr(sam_offline, name)] == []
