"""Rows seen through a person's scope. Every query of a view begins here, and one that does not is an error.

While a logged-in person's request is answered, rows of a `Scoped` model are given out only

- through `visible_to(user)`;
- from a row in hand: ``case.evidence.all()``, ``filter(case=case)``, ``filter(case__in=cases)``;
- under a row lock, once the request has looked through somebody's scope: a writer finds what he may touch first and
  locks it then;
- or by `unscoped("why")`, which says in the code why nobody's scope applies.

Anything else raises `UnscopedError`, so that a forgotten scope is a broken page in a test and never a leak. Workers and
the command line are asked nothing, nor are views that are open to all: those hold keys of their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from django.db import connections, models
from django.db.models.functions import Coalesce

from central.people.models import User

MANY_GRIDS = 12
"""From so many grids on the rows of a person by grid are no longer few."""


class UnscopedError(RuntimeError):
    """A view asked for rows without saying whose eyes it looks through."""


@dataclass(slots=True)
class Asking:
    """A request being answered: whether it is watched, and whether it has looked through a scope."""

    watched: bool = True
    looked: bool = False


_asking: ContextVar[Asking | None] = ContextVar("asking", default=None)


@contextmanager
def asking() -> Iterator[Asking]:
    """A request is answered in this context."""
    now = Asking()
    token = _asking.set(now)
    try:
        yield now
    finally:
        _asking.reset(token)


@contextmanager
def unscoped(reason: str) -> Iterator[None]:
    """Rows are read for no person in here; the reason is for the reader of the code."""
    if not reason:
        raise ValueError("say why no scope applies")
    token = _asking.set(None)
    try:
        yield
    finally:
        _asking.reset(token)


class Scoped(models.QuerySet):  # type: ignore[type-arg]
    """Rows seen through a person's scope. Views begin with `visible_to`.

    A model with a `grid` is narrowed to the grids of a person by grid; what lies in no grid is seen by those alone who
    see the whole jurisdiction. A model without one (bays, agents) is seen by everybody of its jurisdiction.
    """

    SCOPE = "jurisdiction_id"
    GRID: str | None = None
    """Path to the grid's number; found by itself where the model has a `grid`."""

    _reached = False

    def visible_to(self, user: Any) -> Scoped:
        """Only what lies in the person's scope; nothing for anybody without one."""
        now = _asking.get()
        if now is not None:
            now.looked = True
        seen = self._through(user)
        seen._reached = True
        return seen

    def unscoped(self, reason: str) -> Scoped:
        """All rows, for no person; the reason is for the reader of the code."""
        if not reason:
            raise ValueError("say why no scope applies")
        every = self.all()
        every._reached = True
        return every

    def _through(self, user: Any) -> Scoped:
        if not getattr(user, "is_active", False):
            return self.none()
        path = self.GRID or ("grid_id" if any(f.name == "grid" for f in self.model._meta.fields) else None)
        if user.by_grid and path is not None:
            return self._within(path, subtree(user))
        wanted = user.jurisdictions
        if wanted is None:
            return self.all()
        if len(wanted) == 1:
            return self._of(self.SCOPE, wanted[0])
        return self.filter(**{f"{self.SCOPE}__in": wanted})

    def _within(self, path: str, seen: Subtree) -> Scoped:
        """Rows of these grids. The jurisdiction is named as well where that is a column of the row itself: lists are
        indexed by it, and the database then walks them newest first."""
        rows = self
        if "__" not in path and len(seen.jurisdictions) == 1:
            rows = rows.filter(**{self.SCOPE: next(iter(seen.jurisdictions))})
        if len(seen.grids) < MANY_GRIDS or not self._is_sqlite():
            return rows.filter(**{f"{path}__in": seen.grids})
        return rows.alias(_scope_grid=models.F(path) + 0).filter(_scope_grid__in=seen.grids)

    def _of(self, path: str, jurisdiction_id: str) -> Scoped:
        if "__" not in path or not self._is_sqlite():
            return self.filter(**{path: jurisdiction_id})
        hidden = Coalesce(models.F(path), models.Value(""))
        return self.alias(_scope_place=hidden).filter(_scope_place=jurisdiction_id)

    def _is_sqlite(self) -> bool:
        """SQLite keeps no count of how many rows a value has: for a list of fifty it would fetch and sort the rows of a
        hundred grids, or of a whole jurisdiction. Behind an expression it does not see that index and walks the
        list's own, newest first. PostgreSQL counts and is left to choose."""
        return connections[self.db].vendor == "sqlite"

    # What gives rows out.

    def _check(self) -> None:
        now = _asking.get()
        if now is None or not now.watched or self._reached or _in_hand(self._hints.get("instance")):
            return
        if (self.query.select_for_update and now.looked) or self.query.is_empty():
            return
        raise UnscopedError(
            f"{self.model.__name__} was read in a request without a scope. "
            f"Begin with {self.model.__name__}.objects.visible_to(request.user), come from a row in hand, "
            'or say why not: .unscoped("reason")'
        )

    def _fetch_all(self) -> None:
        if self._result_cache is None:
            self._check()
        super()._fetch_all()

    def iterator(self, *args: Any, **kwargs: Any) -> Any:
        self._check()
        return super().iterator(*args, **kwargs)

    def count(self) -> int:
        self._check()
        return super().count()

    def exists(self) -> bool:
        self._check()
        return super().exists()

    def aggregate(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        self._check()
        return super().aggregate(*args, **kwargs)

    def update(self, **kwargs: Any) -> int:
        self._check()
        return super().update(**kwargs)

    update.alters_data = True  # type: ignore[attr-defined]

    def delete(self) -> tuple[int, dict[str, int]]:
        self._check()
        return super().delete()

    delete.alters_data = True  # type: ignore[attr-defined]
    delete.queryset_only = True  # type: ignore[attr-defined]

    # What hands the permission on.

    def _clone(self) -> Scoped:
        clone: Scoped = super()._clone()  # type: ignore[misc]
        clone._reached = self._reached
        return clone

    def _filter_or_exclude(self, negate: bool, args: Any, kwargs: Any) -> Scoped:
        clone: Scoped = super()._filter_or_exclude(negate, args, kwargs)  # type: ignore[misc]
        if not negate and any(_in_hand(value) for value in kwargs.values()):
            clone._reached = True
        return clone

    def _combinator_query(self, *args: Any, **kwargs: Any) -> Scoped:
        parts = [self, *args[1:]]
        clone: Scoped = super()._combinator_query(*args, **kwargs)  # type: ignore[misc]
        clone._reached = all(getattr(part, "_reached", True) for part in parts)
        return clone


class ScopedByCase(Scoped):
    """The same for rows that belong to a case."""

    SCOPE = "case__jurisdiction_id"
    GRID = "case__grid_id"


class ScopedByAgent(Scoped):
    """The same for rows that belong to an agent."""

    SCOPE = "agent__jurisdiction_id"


class ScopedGrids(Scoped):
    """The tree itself."""

    GRID = "pk"


@dataclass(frozen=True, slots=True)
class Subtree:
    """Numbers of the grids that a person by grid sees, and the jurisdictions in which they lie."""

    grids: frozenset[int]
    jurisdictions: frozenset[str]


def subtree(user: User) -> Subtree:
    """The grids that a person by grid sees now: the person's own and all below them."""
    held: Subtree | None = getattr(user, "_subtree", None)
    if held is None:
        from central.people.subtree import below

        wanted = user.jurisdictions
        mine = user.grids.all().unscoped("they are the scope")
        nodes = [
            (number, place)
            for number, place in mine.order_by().values_list("pk", "jurisdiction_id")
            if wanted is None or place in wanted
        ]
        held = Subtree(below(nodes), frozenset(place for _, place in nodes))
        user._subtree = held  # type: ignore[attr-defined]
    return held


def _in_hand(value: Any) -> bool:
    """Whether a filter's value is a scoped row that somebody was given, several, or a query for such."""
    if isinstance(value, models.Model):
        return isinstance(value._meta.default_manager.all(), Scoped)  # the class may be a lazy wrapper
    if isinstance(value, Scoped):
        return value._reached
    if isinstance(value, list | tuple | set | frozenset):
        return bool(value) and all(_in_hand(each) for each in value)
    return False
