"""One decision of the engine: stored whole or not at all, told only when it is stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edge_agent.engine import Engine


class Deciding:
    """One transaction; events are told after it is stored, and memory goes back if it is not."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._transaction = engine._store.transaction()

    def __enter__(self) -> None:
        engine = self._engine
        self._before = (dict(engine._cases), dict(engine._by_stay))
        engine._told = []
        self._transaction.__enter__()

    def __exit__(self, *raised: Any) -> None:
        engine = self._engine
        try:
            self._transaction.__exit__(*raised)
        except BaseException:
            engine._cases, engine._by_stay = self._before
            raise
        if raised[0] is not None:
            engine._cases, engine._by_stay = self._before
            return
        told, engine._told = engine._told, []
        if engine._on_event is not None:
            for event in told:
                engine._on_event(event)
