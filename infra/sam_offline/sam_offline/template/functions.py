"""The functions of a template, with their layers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sam_offline.arn import function_arn, function_name_of
from sam_offline.errors import TemplateError
from sam_offline.model import AsynchronousConfig, Function
from sam_offline.template.resources import Resources, destination_of, read_number


def read_functions(resources: Resources) -> Iterator[Function]:
    """Yield every function. Raises TemplateError for a runtime other than Python."""
    layers = {
        resources.reference(logical_id): resources.source(logical_id, resource, "Content")
        for logical_id, resource in resources.of("Lambda::LayerVersion")
    }
    configs = {
        function_name_of(resources.get(config, "FunctionName")): config
        for _, config in resources.of("Lambda::EventInvokeConfig")
    }
    for logical_id, resource in resources.of("Lambda::Function"):
        name = resources.reference(logical_id)
        runtime = str(resources.get(resource, "Runtime", ""))
        if not runtime.startswith("python"):
            raise TemplateError(f"{name}: runtime {runtime or '(none)'} cannot be run, only Python's can")
        environment = resources.get(resource, "Environment", {}).get("Variables") or {}
        reserved = resources.get(resource, "ReservedConcurrentExecutions")
        yield Function(
            logical_id=logical_id,
            name=name,
            arn=function_arn(resources.region, name),
            handler=str(resources.get(resource, "Handler", "")),
            runtime=runtime,
            source=resources.source(logical_id, resource, "Code"),
            # A layer from elsewhere is left out, and a notice says so.
            layers=tuple(
                layers[reference]
                for reference in resources.get(resource, "Layers", [])
                if reference in layers
            ),
            environment={key: _variable(value) for key, value in environment.items()},
            memory_mb=read_number(name, "MemorySize", resources.get(resource, "MemorySize", 128)),
            timeout_seconds=read_number(name, "Timeout", resources.get(resource, "Timeout", 3)),
            reserved_concurrency=None
            if reserved is None
            else read_number(name, "ReservedConcurrentExecutions", reserved),
            asynchronous=_asynchronous(resources, resource, configs.get(name, {})),
        )


def _asynchronous(
    resources: Resources, function: Mapping[str, Any], config: Mapping[str, Any]
) -> AsynchronousConfig:
    destinations = resources.get(config, "DestinationConfig", {})
    dead_letters = resources.get(function, "DeadLetterConfig", {})
    return AsynchronousConfig(
        maximum_retries=int(resources.get(config, "MaximumRetryAttempts", 2)),
        maximum_age_seconds=float(resources.get(config, "MaximumEventAgeInSeconds", 21_600)),
        on_success=destination_of((destinations.get("OnSuccess") or {}).get("Destination")),
        on_failure=destination_of((destinations.get("OnFailure") or {}).get("Destination")),
        dead_letter_queue=destination_of(dead_letters.get("TargetArn")),
    )


def _variable(value: Any) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)
