"""The CloudFormation resources of a translated template, with intrinsics resolved on access."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sam_offline.arn import function_name_of
from sam_offline.errors import TemplateError
from sam_offline.model import Destination, Source
from sam_offline.template.intrinsics import Resolver
from sam_offline.template.translate import PLACEHOLDER_BUCKET


class Resources:
    """The resources whose condition holds. Relative paths start from `folder`."""

    def __init__(
        self,
        template: Mapping[str, Any],
        parameters: Mapping[str, str],
        region: str,
        folder: Path,
        local_code: Mapping[str, Any],
    ) -> None:
        self.region = region
        self._resolver = Resolver(template, parameters, region)
        self._resources: Mapping[str, Any] = {
            logical_id: resource
            for logical_id, resource in template["Resources"].items()
            if "Condition" not in resource or self._resolver.holds(resource["Condition"])
        }
        self._folder = folder
        self._local_code = local_code

    def of(self, kind: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Yield logical id and resource of every `AWS::<kind>`."""
        for logical_id, resource in self._resources.items():
            if resource.get("Type") == f"AWS::{kind}":
                yield logical_id, resource

    def get(self, resource: Mapping[str, Any], name: str, default: Any = None) -> Any:
        """Return a property of a resource, resolved."""
        value = self.resolve((resource.get("Properties") or {}).get(name))
        return default if value is None else value

    def resolve(self, value: Any) -> Any:
        """Return any part of a resource with its intrinsics resolved."""
        return self._resolver.resolve(value)

    def reference(self, logical_id: str) -> Any:
        """Return the value of `!Ref` to a logical id."""
        return self.resolve({"Ref": logical_id})

    def source(self, logical_id: str, resource: Mapping[str, Any], property_name: str) -> Source:
        """Return the local code of a function or layer. Raises TemplateError if it is elsewhere."""
        location = self.get(resource, property_name)
        if isinstance(location, Mapping) and location.get("S3Bucket") == PLACEHOLDER_BUCKET:
            logical_id = location["S3Key"]
            location = self.resolve(self._local_code[logical_id])
        if isinstance(location, Mapping) and isinstance(location.get("ZipFile"), str):
            return Source(logical_id, self._folder, inline_code=location["ZipFile"])
        if not isinstance(location, str) or location.startswith("s3://"):
            raise TemplateError(f"{logical_id}: the code is not in a local folder")
        metadata = self.resolve(resource.get("Metadata") or {})
        return Source(logical_id, (self._folder / location).resolve(), metadata.get("BuildMethod"))


def read_number(owner: str, name: str, value: Any) -> int:
    """Return a whole number, which may be written as text.

    Raises TemplateError, without the value in its message.
    """
    try:
        return int(value)
    except (TypeError, ValueError) as error:
        raise TemplateError(f"{owner}: {name} is not a whole number") from error


def destination_of(reference: str | None) -> Destination | None:
    """Return the destination of an ARN or `kafka://topic`, or None for no reference."""
    if not reference:
        return None
    if reference.startswith("kafka://"):
        return Destination("topic", reference.removeprefix("kafka://"))
    service = reference.split(":")[2] if reference.count(":") >= 5 else reference
    if service == "lambda":
        return Destination("function", function_name_of(reference))
    if service == "s3":
        return Destination("bucket", reference.rsplit(":", 1)[1])
    return Destination("unsupported", service)
