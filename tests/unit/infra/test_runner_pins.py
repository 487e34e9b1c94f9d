"""This repository pins versions within the bounds that the runner's package requires."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[3]


def test_what_the_runner_requires_is_pinned_within_its_bounds() -> None:
    runner = tomllib.loads((ROOT / "infra/sam_offline/pyproject.toml").read_text(encoding="utf-8"))
    pinned = dict(
        re.findall(r"^([a-z0-9-]+)==(\S+)", (ROOT / "requirements-dev.txt").read_text("utf-8"), re.MULTILINE)
    )
    required = {each.name: each for each in map(Requirement, runner["project"]["dependencies"])}
    # Every venv has pip.
    del required["pip"]
    outside = [name for name, each in required.items() if pinned.get(name, "0") not in each.specifier]
    assert outside == []
