"""What the functions import, built into the image: a container needs no package index."""

from __future__ import annotations

from pathlib import Path

from infra.local.launch import prepare_launch
from infra.local.template import read_template
from infra.system.addresses import REGION, ROOT


def build_layers(folder: Path) -> None:
    """Layers and runtime of every function of template.yaml, into `folder`. Raises BuildError."""
    for function in read_template(ROOT / "template.yaml", {"Env": "local"}, REGION).functions:
        prepare_launch(function, folder, REGION, {})
