"""The lookup of a route by path and method: fixed segments first, then `{name}`, then `{proxy+}`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from urllib.parse import unquote

from sam_offline.model import HttpRoute

_PARAMETER = re.compile(r"\{([^}+]+)(\+?)\}")

Found = tuple[HttpRoute, Mapping[str, str] | None]


class RouteTable:
    """The routes of a REST API.

    The path alone selects the resource; if the resource lacks the method, there is no route. `find` returns the route
    and its path parameters, or None.
    """

    def __init__(self, routes: Iterable[HttpRoute]) -> None:
        by_path: dict[str, dict[str, HttpRoute]] = {}
        for route in routes:
            by_path.setdefault(route.path.rstrip("/") or "/", {})[route.method] = route
        self._fixed = {path: methods for path, methods in by_path.items() if "{" not in path}
        variable = sorted((path for path in by_path if "{" in path), key=self._rank)
        self._variable = [(_pattern(path), _names(path), by_path[path]) for path in variable]

    def find(self, method: str, raw_path: str) -> Found | None:
        # A trailing slash does not count.
        if raw_path[-1:] == "/":
            raw_path = raw_path.rstrip("/") or "/"
        methods = self._fixed.get(raw_path)
        if methods is not None:
            route = methods.get(method) or methods.get("ANY")
            return None if route is None else (route, None)
        for pattern, names, methods in self._variable:
            match = pattern.fullmatch(raw_path)
            if match is not None:
                route = methods.get(method) or methods.get("ANY")
                return None if route is None else (route, _parameters(names, match))
        return None

    @staticmethod
    def _rank(path: str) -> tuple[object, ...]:
        """Order by segment: fixed before parameter, parameter before greedy."""
        return tuple((_segment_rank(segment), segment) for segment in path.split("/"))


class HttpRouteTable(RouteTable):
    """The routes of an HTTP API: method and path together select one, `$default` takes the rest.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html
    """

    def find(self, method: str, raw_path: str) -> Found | None:
        methods = self._fixed.get(raw_path)
        if methods is not None:
            route = methods.get(method) or methods.get("ANY")
            if route is not None:
                return route, None
        for pattern, names, methods in self._variable:
            route = methods.get(method) or methods.get("ANY")
            match = None if route is None else pattern.fullmatch(raw_path)
            if route is not None and match is not None:
                return route, _parameters(names, match)
        default = self._fixed.get("$default", {}).get("ANY")
        return None if default is None else (default, None)

    @staticmethod
    def _rank(path: str) -> tuple[object, ...]:
        """Order as a REST API does, but with every greedy route after all others."""
        return path.endswith("+}"), RouteTable._rank(path)


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


def _names(path: str) -> tuple[str, ...]:
    return tuple(name for name, _ in _PARAMETER.findall(path))


def _parameters(names: tuple[str, ...], match: re.Match[str]) -> Mapping[str, str]:
    return {name: unquote(value) for name, value in zip(names, match.groups(), strict=True)}
