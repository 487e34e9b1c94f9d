"""The inclusion of local documents, which `sam package` would upload, into the template."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from samtranslator.yaml_helper import yaml_parse

from sam_offline.errors import TemplateError

_APIS = ("AWS::Serverless::Api", "AWS::Serverless::HttpApi")


def include_documents(template: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return the template with each local `DefinitionUri` and `AWS::Include` replaced by its document.

    Relative paths start from `folder`. Raises TemplateError for a document that cannot be read.
    """
    included: dict[str, Any] = _include(template, folder)
    for resource in included["Resources"].values():
        properties = resource.get("Properties") if isinstance(resource, dict) else None
        if isinstance(properties, dict) and resource.get("Type") in _APIS:
            location = properties.get("DefinitionUri")
            if isinstance(location, str) and not location.startswith("s3://"):
                del properties["DefinitionUri"]
                properties["DefinitionBody"] = _read(folder / location)
    return included


def _include(value: Any, folder: Path) -> Any:
    """Return a value with each local `AWS::Include` in it replaced.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/transform-aws-include.html
    """
    if isinstance(value, list):
        return [_include(item, folder) for item in value]
    if not isinstance(value, Mapping):
        return value
    transform = value.get("Fn::Transform")
    if isinstance(transform, Mapping) and transform.get("Name") == "AWS::Include":
        location = (transform.get("Parameters") or {}).get("Location")
        if isinstance(location, str) and not location.startswith("s3://"):
            beside = {key: item for key, item in value.items() if key != "Fn::Transform"}
            return {**_read(folder / location), **_include(beside, folder)}
    return {key: _include(item, folder) for key, item in value.items()}


def _read(path: Path) -> dict[str, Any]:
    try:
        document = yaml_parse(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise TemplateError(f"{path.name} cannot be read: {error}") from error
    if not isinstance(document, dict):
        raise TemplateError(f"{path.name} is no document")
    return document
