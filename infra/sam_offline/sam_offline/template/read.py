"""The reading of a SAM template: AWS's translator first, then the resulting CloudFormation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from samtranslator.yaml_helper import yaml_parse

from sam_offline.errors import TemplateError
from sam_offline.model import Application
from sam_offline.template.functions import read_functions
from sam_offline.template.http_apis import read_http_apis
from sam_offline.template.include import include_documents
from sam_offline.template.kafka import read_kafka_sources
from sam_offline.template.resources import Resources
from sam_offline.template.rest_apis import read_apis
from sam_offline.template.schedules import read_schedules
from sam_offline.template.translate import local_code, translate
from sam_offline.template.unsupported import find_notices


def read_template(path: Path, parameters: Mapping[str, str], region: str) -> Application:
    """Read the template at `path`. Raises TemplateError with the reason.

    `parameters` override the template's defaults.
    """
    try:
        template = yaml_parse(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise TemplateError(f"{path.name} cannot be read: {error}") from error
    if not isinstance(template, dict) or not isinstance(template.get("Resources"), dict):
        raise TemplateError(f"{path.name} has no Resources")
    for logical_id, resource in template["Resources"].items():
        if not isinstance(resource, dict):
            # Fn::ForEach would make some, by a transform of AWS that SAM's translator does not have.
            raise TemplateError(f"{logical_id} is not a resource")
    return read_application(template, parameters, region, path.resolve().parent)


def read_application(
    template: dict[str, Any], parameters: Mapping[str, str], region: str, folder: Path
) -> Application:
    """Return the application of a parsed template; relative paths start from `folder`."""
    template = include_documents(template, folder)
    translated = translate(template, parameters, region)
    resources = Resources(translated, parameters, region, folder, local_code(template))
    application = Application(
        region=region,
        functions=tuple(read_functions(resources)),
        apis=tuple(read_apis(resources)),
        http_apis=tuple(read_http_apis(resources)),
        schedules=tuple(read_schedules(resources)),
        kafka_sources=tuple(read_kafka_sources(resources)),
        notices=tuple(find_notices(resources)),
    )
    _require_known_functions(application)
    return application


def _require_known_functions(application: Application) -> None:
    known = {function.name for function in application.functions}
    named = {
        **_functions_of_routes(application),
        **{schedule.logical_id: schedule.function_name for schedule in application.schedules},
        **{source.logical_id: source.function_name for source in application.kafka_sources},
    }
    for who, name in named.items():
        if name not in known:
            raise TemplateError(f"{who} invokes {name}, which is not in the template")


def _functions_of_routes(application: Application) -> dict[str, str]:
    """Return the function behind each route and authorizer, by a name for messages."""
    named = {}
    for api in application.gateways:
        for route in api.routes:
            if isinstance(route.integration, str):
                named[f"{api.logical_id} {route.method} {route.path}"] = route.integration
            if route.authorizer is not None:
                named[f"{api.logical_id} {route.authorizer.name}"] = route.authorizer.function_name
    return named
