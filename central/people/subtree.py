"""Which grids lie below which: the whole tree of a jurisdiction is kept in memory until the next import changes it."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping

from django.apps import apps

Children = Mapping[int, tuple[int, ...]]

_lock = threading.Lock()
_known: dict[str, tuple[str, Children]] = {}


def below(nodes: Iterable[tuple[int, str]]) -> frozenset[int]:
    """Numbers of these grids and of all below them.

    Args:
        nodes: number and jurisdiction of each.
    """
    found: set[int] = set()
    wanted: dict[str, list[int]] = {}
    for number, jurisdiction_id in nodes:
        wanted.setdefault(jurisdiction_id, []).append(number)
    if not wanted:
        return frozenset()
    stamps = dict(
        apps.get_model("grids", "GridStamp")
        .objects.filter(pk__in=wanted)
        .values_list("jurisdiction_id", "stamp")
    )
    for jurisdiction_id, numbers in wanted.items():
        children = _children(jurisdiction_id, stamps.get(jurisdiction_id))
        waiting = list(numbers)
        while waiting:
            number = waiting.pop()
            if number not in found:
                found.add(number)
                waiting += children.get(number, ())
    return frozenset(found)


def _children(jurisdiction_id: str, stamp: str | None) -> Children:
    """Below each grid its children; read anew after an import, and each time where the tree has no stamp."""
    with _lock:
        held = _known.get(jurisdiction_id)
    if held is not None and held[0] == stamp:
        return held[1]
    together: dict[int, list[int]] = {}
    grids = apps.get_model("grids", "Grid").objects
    every = grids.unscoped("the tree's shape is needed to tell what a person may see")
    rows = every.filter(jurisdiction_id=jurisdiction_id, parent__isnull=False).order_by()
    for number, parent in rows.values_list("pk", "parent_id"):
        together.setdefault(parent, []).append(number)
    children = {parent: tuple(numbers) for parent, numbers in together.items()}
    if stamp:
        with _lock:
            _known[jurisdiction_id] = (stamp, children)
    return children
