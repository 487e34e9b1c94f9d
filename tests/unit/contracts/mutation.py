"""Documents that are almost right: one place of a valid one is changed."""

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
    """Every place of a document: itself, its members and entries, all the way down."""
    yield path
    if isinstance(document, dict):
        for name, member in document.items():
            yield from places(member, (*path, name))
    elif isinstance(document, list):
        for index, entry in enumerate(document):
            yield from places(entry, (*path, index))


def replaced(document: Any, path: Path, value: object) -> Any:
    """A copy with another value in one place."""
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
    """A copy without one member or entry."""
    changed = copy.deepcopy(document)
    *above, last = path
    parent = changed
    for step in above:
        parent = parent[step]
    del parent[last]
    return changed


@st.composite
def mutated(draw: st.DrawFn, document: Any, values: st.SearchStrategy[Any] = json_values) -> Any:
    """A copy of a document with any value in any one place."""
    return replaced(document, draw(st.sampled_from(list(places(document)))), draw(values))
