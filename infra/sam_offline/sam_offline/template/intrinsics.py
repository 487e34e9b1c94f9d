"""CloudFormation's intrinsic functions, resolved to plain values.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference.html
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, Final

from sam_offline.arn import ACCOUNT_ID, function_arn
from sam_offline.errors import TemplateError

_NO_VALUE: Final = object()
_VARIABLE = re.compile(r"\$\{([^!}][^}]*)\}")


class Resolver:
    """Resolves the intrinsics of one template, which must be translated from SAM already."""

    def __init__(self, template: Mapping[str, Any], parameters: Mapping[str, str], region: str) -> None:
        self._mappings = template.get("Mappings") or {}
        self._conditions = template.get("Conditions") or {}
        self._resources = template.get("Resources") or {}
        self._parameters = _parameter_values(template.get("Parameters") or {}, parameters)
        self._region = region
        self._decided: dict[str, bool] = {}

    def resolve(self, value: Any) -> Any:
        """Return `value` with every intrinsic replaced; None if the result is AWS::NoValue."""
        resolved = self._resolve(value)
        return None if resolved is _NO_VALUE else resolved

    def holds(self, condition: str) -> bool:
        """Return whether a named condition of the template is true."""
        if condition not in self._decided:
            if condition not in self._conditions:
                raise TemplateError(f"Condition {condition} is not in the template")
            self._decided[condition] = self._truth(self._conditions[condition])
        return self._decided[condition]

    def _resolve(self, value: Any) -> Any:
        if isinstance(value, list):
            return [item for item in map(self._resolve, value) if item is not _NO_VALUE]
        if not isinstance(value, Mapping):
            return value
        if len(value) == 1:
            (name, argument), *_ = value.items()
            if name == "Ref":
                return self._ref(argument)
            if name == "Condition" and isinstance(argument, str):
                return self.holds(argument)
            if isinstance(name, str) and name.startswith("Fn::"):
                intrinsic = self._functions.get(name)
                if intrinsic is None:
                    raise TemplateError(f"{name} is not supported")
                return intrinsic(argument)
        resolved = {key: self._resolve(item) for key, item in value.items()}
        return {key: item for key, item in resolved.items() if item is not _NO_VALUE}

    @cached_property
    def _functions(self) -> Mapping[str, Callable[[Any], Any]]:
        return {
            "Fn::Sub": self._sub,
            "Fn::GetAtt": self._get_att,
            "Fn::If": self._if,
            "Fn::Equals": self._equals,
            "Fn::Not": lambda items: not self._truth(items[0]),
            "Fn::And": lambda items: all(self._truth(item) for item in items),
            "Fn::Or": lambda items: any(self._truth(item) for item in items),
            "Fn::Join": lambda items: _text(self._resolve(items[0])).join(
                map(_text, self._resolve(items[1]))
            ),
            "Fn::Select": lambda items: self._resolve(items[1])[int(self._resolve(items[0]))],
            "Fn::Split": lambda items: _text(self._resolve(items[1])).split(_text(self._resolve(items[0]))),
            "Fn::FindInMap": self._find_in_map,
            "Fn::Base64": lambda item: base64.b64encode(_text(self._resolve(item)).encode()).decode(),
            "Fn::ToJsonString": lambda item: json.dumps(self._resolve(item), separators=(",", ":")),
            "Fn::GetAZs": lambda _: [f"{self._region}{zone}" for zone in "abc"],
        }

    def _truth(self, value: Any) -> bool:
        return self._resolve(value) in (True, "true")

    def _equals(self, items: list[Any]) -> bool:
        left, right = map(self._resolve, items)
        return _text(left) == _text(right)

    def _if(self, items: list[Any]) -> Any:
        condition, when_true, when_false = items
        return self._resolve(when_true if self.holds(condition) else when_false)

    def _find_in_map(self, items: list[Any]) -> Any:
        name, first, second = (_text(self._resolve(item)) for item in items[:3])
        try:
            return self._mappings[name][first][second]
        except KeyError as error:
            raise TemplateError(f"Fn::FindInMap finds no {name}.{first}.{second}") from error

    def _sub(self, argument: Any) -> str:
        text, variables = (argument, {}) if isinstance(argument, str) else (argument[0], argument[1])

        def substitute(match: re.Match[str]) -> str:
            name = match[1].strip()
            if name in variables:
                return _text(self._resolve(variables[name]))
            if "." in name and not name.startswith("AWS::"):
                return _text(self._get_att(name))
            return _text(self._ref(name))

        return _VARIABLE.sub(substitute, text).replace("${!", "${")

    def _ref(self, name: str) -> Any:
        if name in self._parameters:
            return self._parameters[name]
        if name in self._pseudo:
            return self._pseudo[name]
        if name not in self._resources:
            raise TemplateError(f"Ref {name} is neither a parameter nor a resource")
        kind = self._resources[name].get("Type", "")
        if kind in ("AWS::Lambda::Version", "AWS::Lambda::Alias"):
            return self._qualified_arn(name)
        return self._physical_name(name)

    def _get_att(self, argument: Any) -> str:
        name, attribute = argument.split(".", 1) if isinstance(argument, str) else argument
        if name not in self._resources:
            raise TemplateError(f"Fn::GetAtt {name}.{attribute}: no such resource")
        physical = self._physical_name(name)
        if attribute != "Arn":
            return f"{physical}.{attribute}"
        kind = self._resources[name].get("Type", "")
        if kind == "AWS::Lambda::Function":
            return function_arn(self._region, physical)
        if kind == "AWS::S3::Bucket":
            return f"arn:aws:s3:::{physical}"
        service = kind.split("::")[1].lower() if kind.count("::") == 2 else "cloudformation"
        return f"arn:aws:{service}:{self._region}:{ACCOUNT_ID}:{physical}"

    def _physical_name(self, logical_id: str) -> str:
        """Return a Bucket's `BucketName`, a Function's `FunctionName` and so on, or else the logical id."""
        resource = self._resources[logical_id]
        name = (resource.get("Properties") or {}).get(resource.get("Type", "").rsplit("::", 1)[-1] + "Name")
        return logical_id if name is None else _text(self.resolve(name))

    def _qualified_arn(self, logical_id: str) -> str:
        properties = self._resources[logical_id].get("Properties") or {}
        name = _text(self._resolve(properties["FunctionName"])).rsplit(":function:", 1)[-1]
        return f"{function_arn(self._region, name)}:{_text(self._resolve(properties.get('Name', '1')))}"

    @cached_property
    def _pseudo(self) -> Mapping[str, Any]:
        return {
            "AWS::AccountId": ACCOUNT_ID,
            "AWS::NoValue": _NO_VALUE,
            "AWS::NotificationARNs": [],
            "AWS::Partition": "aws",
            "AWS::Region": self._region,
            "AWS::StackId": f"arn:aws:cloudformation:{self._region}:{ACCOUNT_ID}:stack/local/local",
            "AWS::StackName": "local",
            "AWS::URLSuffix": "amazonaws.com",
        }


def _text(value: Any) -> str:
    """Return a value as CloudFormation writes it: booleans are `true` and `false`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ",".join(map(_text, value))
    return str(value)


def _parameter_values(declared: Mapping[str, Any], given: Mapping[str, str]) -> dict[str, Any]:
    unknown = sorted(set(given) - set(declared))
    if unknown:
        raise TemplateError(f"The template has no parameter {', '.join(unknown)}")
    values: dict[str, Any] = {}
    for name, declaration in declared.items():
        value = given.get(name, declaration.get("Default"))
        if value is None:
            raise TemplateError(f"Parameter {name} has no default and no value was given")
        text = _text(value)
        allowed = declaration.get("AllowedValues")
        if allowed and text not in map(_text, allowed):
            raise TemplateError(f"Parameter {name} is none of {', '.join(map(_text, allowed))}")
        kind = declaration.get("Type", "String")
        is_list = kind == "CommaDelimitedList" or kind.startswith("List<")
        values[name] = [item.strip() for item in text.split(",")] if is_list else text
    return values
