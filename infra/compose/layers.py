"""What the functions import, built into the image: a container needs no package index."""

from __future__ import annotations

from pathlib import Path

from infra.cli.addresses import REGION, ROOT
from sam_offline import prepare_launch, read_template


def build_layers(folder: Path) -> None:
    """Layers and runtime of every function of template.yaml, into `folder`. Raises BuildError."""
    for function in read_template(ROOT / "template.yaml", {"Env": "local"}, REGION).functions:
        prepare_launch(function, folder, REGION, {})
