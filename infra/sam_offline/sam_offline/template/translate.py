"""The translation of SAM to CloudFormation, by AWS's own translator."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import boto3
from samtranslator.model.exceptions import InvalidDocumentException
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

from sam_offline.errors import TemplateError

# The bucket that local code appears to be in after translation; its key is its logical id in SAM.
PLACEHOLDER_BUCKET = "local"
_CODE_PROPERTIES = {
    "AWS::Serverless::Function": "CodeUri",
    "AWS::Serverless::LayerVersion": "ContentUri",
    # It is not run here, but a function may be beside it.
    "AWS::Serverless::StateMachine": "DefinitionUri",
}
# It may be in Globals; SAM's default is the template's own folder.
_ALWAYS_THERE = ("CodeUri", "ContentUri")


def translate(template: Mapping[str, Any], parameters: Mapping[str, str], region: str) -> dict[str, Any]:
    """Return the template as plain CloudFormation. Raises TemplateError with SAM's reasons."""
    # The translator accepts S3 locations only: each resource gets one that names its logical id, by which a layer is
    # also recognised after the translator has appended a hash to its id.
    template = copy.deepcopy(dict(template))
    for logical_id, resource in template["Resources"].items():
        name = _CODE_PROPERTIES.get(resource.get("Type", ""))
        properties = resource.get("Properties") or {}
        if properties.get("PackageType") == "Image":
            raise TemplateError(f"{logical_id}: a container image cannot be run, only Python code can")
        if name in properties or (name in _ALWAYS_THERE and "InlineCode" not in properties):
            resource["Properties"] = {**properties, name: f"s3://{PLACEHOLDER_BUCKET}/{logical_id}"}
    # No managed policies by name: that would ask IAM, and permissions are not checked here.
    translator = Translator({}, Parser(), boto_session=boto3.Session(region_name=region))
    try:
        translated: dict[str, Any] = translator.translate(
            template, dict(parameters), passthrough_metadata=True
        )
    except InvalidDocumentException as error:
        causes = "; ".join(cause.message for cause in error.causes)
        raise TemplateError(f"SAM refuses the template: {causes}") from error
    finally:
        # To nowhere: without, the translator warns that it was not asked to.
        translator.metrics.publish()
    return translated


def local_code(template: Mapping[str, Any]) -> dict[str, Any]:
    """Return the CodeUri or ContentUri of each SAM resource by logical id, Globals included."""
    shared = (template.get("Globals") or {}).get("Function") or {}
    code: dict[str, Any] = {}
    for logical_id, resource in template["Resources"].items():
        name = _CODE_PROPERTIES.get(resource.get("Type", ""))
        if name in _ALWAYS_THERE:
            fallback = shared.get("CodeUri", ".") if name == "CodeUri" else "."
            code[logical_id] = (resource.get("Properties") or {}).get(name, fallback)
    return code
