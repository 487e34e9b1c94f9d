"""The runner's folder could leave the repository as a package of its own."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[3]
PACKAGE = ROOT / "infra" / "local"
# Where the name that is imported is not the name that is installed.
DISTRIBUTIONS = {
    "aws_croniter": "aws-croniter",
    "botocore": "boto3",
    "kafka": "kafka-python",
    "prometheus_client": "prometheus-client",
    "samtranslator": "aws-sam-translator",
    "yaml": "pyyaml",
}


def listed() -> set[str]:
    lines = (PACKAGE / "requirements.in").read_text(encoding="utf-8").splitlines()
    return {line for line in lines if not line.startswith("#")}


def imports() -> Iterator[tuple[str, int, str]]:
    """Yield the module, how many levels up it starts, and what it names, of every import."""
    for path in PACKAGE.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from ((path.name, 0, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield path.name, node.level, node.module or ""


def test_its_modules_reach_each_other_and_nothing_above() -> None:
    assert [(module, name) for module, level, name in imports() if level > 1] == []


def test_what_it_imports_from_outside_is_what_it_lists() -> None:
    outside = {name.partition(".")[0] for _, level, name in imports() if level == 0} - sys.stdlib_module_names
    assert {DISTRIBUTIONS.get(name, name) for name in outside} == listed()


def test_what_it_lists_is_pinned_in_the_repository() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    functions = (ROOT / "layers" / "dependencies" / "requirements.in").read_text(encoding="utf-8")
    pins = [*project["project"]["optional-dependencies"]["dev"], *functions.splitlines()]
    pinned = {re.split(r"\[|==", pin)[0] for pin in pins if "==" in pin}
    assert listed() - pinned == set()
