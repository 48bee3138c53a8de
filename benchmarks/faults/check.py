"""What is left after a run, held against the truth of its script. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class StayFact:
    """A stay of the script.

    Attributes:
        name: of the vehicle.
        must: it stood in plain sight long enough, so that it must have a case.
    """

    name: str
    must: bool


@dataclass(frozen=True, slots=True)
class CaseFact:
    """A case as the centre has it.

    Attributes:
        key: its name there.
        stay: the vehicle that was before the lens when it was confirmed; None if there was none.
        due: its clock ended while the vehicle stood in plain sight: a task is due.
    """

    key: str
    stay: str | None
    due: bool


@dataclass(frozen=True, slots=True)
class TaskFact:
    """A work order as the centre has it.

    Attributes:
        case: key of its case.
        proven: a sealed picture, taken after the clock's end, that shows the case's vehicle, and which has arrived; or
            a person is asked to look (a manual check claims nothing).
    """

    case: str
    proven: bool
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that is left.

    Attributes:
        warnings: how often the gateway took a warning, for each case.
        missing: what should have arrived and did not, in words.
    """

    stays: tuple[StayFact, ...] = ()
    cases: tuple[CaseFact, ...] = ()
    tasks: tuple[TaskFact, ...] = ()
    warnings: dict[str, int] = field(default_factory=dict)
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Findings:
    """What is wrong, one line each."""

    lost: tuple[str, ...] = ()
    doubled: tuple[str, ...] = ()
    unproven: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.lost or self.doubled or self.unproven)


def check(facts: Facts) -> Findings:
    """Every stay has one case, every due task one work order, nobody is warned twice, no task without proof."""
    lost = [f"missing: {text}" for text in facts.missing]
    doubled: list[str] = []
    unproven: list[str] = []
    of_stay: dict[str | None, list[CaseFact]] = {}
    for case in facts.cases:
        of_stay.setdefault(case.stay, []).append(case)
    for case in of_stay.pop(None, []):
        unproven.append(f"case {case.key}: nobody stood there when it was confirmed")
    for stay in facts.stays:
        cases = of_stay.get(stay.name, [])
        if stay.must and not cases:
            lost.append(f"stay {stay.name}: no case")
        if len(cases) > 1:
            doubled.append(f"stay {stay.name}: {len(cases)} cases: {', '.join(c.key for c in cases)}")
        warned = sum(facts.warnings.get(case.key, 0) for case in cases)
        if warned > 1:
            doubled.append(f"stay {stay.name}: warned {warned} times")
    known = {case.key for case in facts.cases}
    for key in facts.warnings.keys() - known:
        lost.append(f"case {key}: its owner was warned, but the centre does not know it")
    orders = Counter(task.case for task in facts.tasks)
    for case in facts.cases:
        if case.due and orders[case.key] == 0:
            lost.append(f"case {case.key}: no work order")
        if orders[case.key] > 1:
            doubled.append(f"case {case.key}: {orders[case.key]} work orders")
    for task in facts.tasks:
        if not task.proven:
            unproven.append(f"task of case {task.case}: {task.why_not}")
    return Findings(tuple(lost), tuple(doubled), tuple(unproven))
