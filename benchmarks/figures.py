"""A figure with its goal, as most benchmarks tell it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

MARKS: dict[bool | None, str] = {None: "", True: "[green]yes[/]", False: "[bold red]no[/]"}
"""Whether a goal is met, as a table's cell; None where there is no goal."""

_DIGITS = {"%": ".1f", "MB": ",.0f", "µs": ",.0f"}


@dataclass(frozen=True, slots=True)
class Figure:
    """One row of a table.

    Attributes:
        what: what was measured, in words.
        value: in `unit`.
        unit: "s", "ms", "%", …; "" for a count.
        goal: less than this is wanted; None where there is no goal.
        exact: just the goal is wanted.
        least: the goal or more is wanted.
    """

    what: str
    value: float
    unit: str = ""
    goal: float | None = None
    exact: bool = False
    least: bool = False

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None without a goal."""
        if self.goal is None:
            return None
        if self.exact:
            return self.value == self.goal
        return self.value >= self.goal if self.least else self.value < self.goal

    @property
    def number(self) -> str:
        """Value and unit for people."""
        whole = not self.unit and self.value % 1 == 0
        digits = ",.0f" if whole else _DIGITS.get(self.unit, ",.2f")
        return f"{self.value:{digits}} {self.unit}".strip()

    @property
    def wanted(self) -> str:
        """The goal for people; nothing without one."""
        if self.goal is None:
            return ""
        sign = "" if self.exact else "≥ " if self.least else "< "
        return f"{sign}{self.goal:,g} {self.unit}".strip()


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which a share of them lies; NaN where there are none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")
