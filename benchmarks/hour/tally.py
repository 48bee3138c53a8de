"""What the centre has to publish about the hour, counted from the script alone: nothing of the centre is used here."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

EVENTS = {"m": "case.moved", "c": "case.closed", "r": "case.reopened"}


@dataclass
class Tally:
    """Every figure of the hour.

    Attributes:
        events: (service, grid, event) -> how often it happened; grid is empty where a case has none.
        endings: (service, ending) -> cases that are closed with it at the end.
        again: service -> of these, how many had been closed and opened again before.
        figures: name -> count, for what a part publishes by itself; the name begins with the part's.
        told: messages that each person who gave a number is to be sent, one entry a person.
    """

    events: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    endings: Counter[tuple[str, str]] = field(default_factory=Counter)
    again: Counter[str] = field(default_factory=Counter)
    figures: Counter[str] = field(default_factory=Counter)
    told: list[int] = field(default_factory=list)

    def case(self, service: str, steps: str, ending: str = "", grid: str = "") -> None:
        """One case and its whole life.

        Args:
            service: its kind.
            steps: in their order: m, it moves; c, it closes; r, it is opened again.
            ending: how it is closed at the end; empty where it is open.
            grid: where it lies.
        """
        self.events[service, grid, "case.opened"] += 1
        for step in steps:
            self.events[service, grid, EVENTS[step]] += 1
        if ending:
            self.endings[service, ending] += 1
            self.again[service] += "r" in steps

    @property
    def cases(self) -> Counter[str]:
        """Service -> cases that were opened."""
        found: Counter[str] = Counter()
        for (service, _grid, event), count in self.events.items():
            if event == "case.opened":
                found[service] += count
        return found

    def of(self, part: str) -> dict[str, int]:
        """A part's own figures by their names without the part's."""
        begin = part + "."
        return {name[len(begin) :]: count for name, count in self.figures.items() if name.startswith(begin)}
