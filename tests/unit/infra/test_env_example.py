"""`.env.example` names exactly the settings that this repository reads."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from samtranslator.yaml_helper import yaml_parse

from exchange.platform.settings import Settings
from tests.unit.infra.deployed import ROOT


def documented() -> set[str]:
    return set(re.findall(r"^#?([A-Z][A-Z0-9_]*)=", (ROOT / ".env.example").read_text("utf-8"), re.MULTILINE))


def read_by_compose() -> set[str]:
    return {
        *re.findall(r"\$\{([A-Z0-9_]+)", (ROOT / "docker-compose.yml").read_text("utf-8")),
        "COMPOSE_PROFILES",
    }


def given_by_the_template() -> set[str]:
    template = yaml_parse((ROOT / "template.yaml").read_text("utf-8"))
    functions = [
        r["Properties"] for r in template["Resources"].values() if r["Type"].endswith("Serverless::Function")
    ]
    environments = [template["Globals"]["Function"], *functions]
    return {name for one in environments for name in one.get("Environment", {}).get("Variables", {})}


def read_by_the_command() -> set[str]:
    from typer.main import get_command

    from infra.cli.main import app

    def variables(command: Any) -> Iterator[str]:
        for parameter in command.params:
            given = parameter.envvar or ()
            yield from [given] if isinstance(given, str) else given
        for child in getattr(command, "commands", {}).values():
            yield from variables(child)

    return set(variables(get_command(app)))


def test_every_setting_is_documented_and_nothing_else_is() -> None:
    settings = {field.name.upper() for field in fields(Settings)}
    known = settings | read_by_compose() | given_by_the_template() | read_by_the_command()
    assert documented() == known
    assert "EXCHANGE_DATA_DIR" in read_by_the_command()


def test_what_compose_falls_back_to_is_what_the_example_says() -> None:
    example = dict(
        re.findall(r"^([A-Z0-9_]+)=(.+)$", (ROOT / ".env.example").read_text("utf-8"), re.MULTILINE)
    )
    text = (ROOT / "docker-compose.yml").read_text("utf-8")
    assert dict(re.findall(r"\$\{([A-Z0-9_]+):-([^}]+)\}", text)) == example
