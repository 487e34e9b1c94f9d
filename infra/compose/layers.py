"""The layers of the functions, built into the image: a container needs no package index."""

from __future__ import annotations

from pathlib import Path

from infra.system.layout import REGION, TEMPLATE
from sam_offline import prepare_launch, read_template


def build_layers(folder: Path) -> None:
    """Build layers and runtime of every function of template.yaml into `folder`. Raises BuildError."""
    for function in read_template(TEMPLATE, {"Env": "local"}, REGION).functions:
        prepare_launch(function, folder, REGION, {})
