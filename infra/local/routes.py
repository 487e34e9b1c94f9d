"""Finds the route of a path and method as API Gateway: fixed segments first, `{name}`, then `{proxy+}`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from urllib.parse import unquote

from .model import HttpRoute

_PARAMETER = re.compile(r"\{([^}+]+)(\+?)\}")


class RouteTable:
    def __init__(self, routes: Iterable[HttpRoute]) -> None:
        by_path: dict[str, dict[str, HttpRoute]] = {}
        for route in routes:
            by_path.setdefault(route.path, {})[route.method] = route
        self._fixed = {path: methods for path, methods in by_path.items() if "{" not in path}
        variable = sorted((path for path in by_path if "{" in path), key=_rank)
        self._variable = [(_pattern(path), by_path[path]) for path in variable]

    def find(self, method: str, raw_path: str) -> tuple[HttpRoute, Mapping[str, str] | None] | None:
        """Return the route and its path parameters (None where it has none), or None."""
        methods = self._fixed.get(raw_path)
        if methods is not None:
            route = methods.get(method) or methods.get("ANY")
            return None if route is None else (route, None)
        for pattern, methods in self._variable:
            match = pattern.fullmatch(raw_path)
            if match is None:
                continue
            route = methods.get(method) or methods.get("ANY")
            if route is None:
                return None
            names = (name for name, _ in _PARAMETER.findall(route.path))
            return route, {name: unquote(value) for name, value in zip(names, match.groups(), strict=True)}
        return None


def _rank(path: str) -> list[tuple[int, str]]:
    """Segment by segment: a fixed one, then a parameter, then a greedy one."""
    return [(_segment_rank(segment), segment) for segment in path.split("/")]


def _segment_rank(segment: str) -> int:
    if not segment.startswith("{"):
        return 0
    return 2 if segment.endswith("+}") else 1


def _pattern(path: str) -> re.Pattern[str]:
    text, end = "", 0
    for match in _PARAMETER.finditer(path):
        text += re.escape(path[end : match.start()]) + ("(.+)" if match[2] else "([^/]+)")
        end = match.end()
    return re.compile(text + re.escape(path[end:]))
