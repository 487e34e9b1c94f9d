"""Mutations of valid documents, each with one place changed."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

Path = tuple[str | int, ...]

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**25), 10**25)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda children: (
        st.lists(children, max_size=3)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), children, max_size=3)
    ),
    max_leaves=8,
)


def places(document: Any, path: Path = ()) -> Iterator[Path]:
    """Yield the path of every place in a document: itself, its members and entries, recursively."""
    yield path
    if isinstance(document, dict):
        for name, member in document.items():
            yield from places(member, (*path, name))
    elif isinstance(document, list):
        for index, entry in enumerate(document):
            yield from places(entry, (*path, index))


def replaced(document: Any, path: Path, value: object) -> Any:
    """Return a copy with another value in one place."""
    if not path:
        return value
    changed = copy.deepcopy(document)
    *above, last = path
    parent = changed
    for step in above:
        parent = parent[step]
    parent[last] = value
    return changed


def removed(document: Any, path: Path) -> Any:
    """Return a copy without one member or entry."""
    changed = copy.deepcopy(document)
    *above, last = path
    parent = changed
    for step in above:
        parent = parent[step]
    del parent[last]
    return changed


@st.composite
def mutated(draw: st.DrawFn, document: Any, values: st.SearchStrategy[Any] = json_values) -> Any:
    """Draw a copy of a document with an arbitrary value in an arbitrary place."""
    return replaced(document, draw(st.sampled_from(list(places(document)))), draw(values))
