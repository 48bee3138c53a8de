"""Whatever happens to the box's clocks, a driver gets the whole of the time that was promised."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edge_agent.cases import Case, NoticeAccepted, shift_clock, step
from edge_agent.ingest import SteadyClock
from edge_agent.timebase import Mark, boot_id, step_since
from protocol.clock import ManualClock
from tests.edge_agent.test_cases import GRACE_MS, T0, notified, opened

MARK_EVERY_MS = 5_000


def mark(at_ms: int, monotonic_ms: int, boot: str = "one") -> Mark:
    return Mark(boot=boot, utc_ms=at_ms, monotonic_ms=monotonic_ms)


@pytest.mark.parametrize(
    ("boot", "utc_ms", "monotonic_ms", "expected"),
    [
        pytest.param("one", 60_000, 60_000, 0, id="time passed, nothing else"),
        pytest.param("one", 3_660_000, 60_000, 3_600_000, id="the wall clock was set forward an hour"),
        pytest.param("one", -3_540_000, 60_000, -3_600_000, id="it was set back an hour"),
        pytest.param("one", 60_300, 60_000, 300, id="a small step forward counts"),
        pytest.param("one", 59_700, 60_000, 0, id="a small step back makes clocks end later; let it be"),
        pytest.param("two", 7_200_000, 12_000, 7_200_000, id="the machine was off: the whole of it counts"),
        pytest.param("two", -500_000, 12_000, -500_000, id="the machine was off and forgot the date"),
        pytest.param("", 60_000, 60_000, 60_000, id="no name for the boot: as after a reboot"),
    ],
)
def test_the_step_is_what_did_not_really_pass(
    boot: str, utc_ms: int, monotonic_ms: int, expected: int
) -> None:
    last = mark(T0, 1_000, boot="" if boot == "" else "one")
    got = step_since(last, boot=boot, utc_ms=T0 + utc_ms, monotonic_ms=1_000 + monotonic_ms)
    assert got == expected


def test_this_machine_names_its_boot() -> None:
    assert len(boot_id()) == 36
    assert boot_id() == boot_id()


@dataclass(frozen=True)
class Life:
    """The process runs, dies and is started again, and meanwhile things happen to the clocks. Milliseconds."""

    runs: int
    off: int
    set_while_running: int
    set_while_off: int
    reboot: bool
    cut_off: bool
    """The next start dies right after it has settled the step, and another follows."""


lives = st.lists(
    st.builds(
        Life,
        runs=st.integers(0, 400_000),
        off=st.integers(0, 400_000),
        set_while_running=st.sampled_from([0, 0, -7_200_000, 3_600_000, 900, -900]),
        set_while_off=st.sampled_from([0, 0, -7_200_000, 3_600_000, 900, -900]),
        reboot=st.booleans(),
        cut_off=st.booleans(),
    ),
    max_size=6,
)


class Machine:
    """Wall clock, monotonic clock and boots, and the agent's steady time on top of them."""

    def __init__(self) -> None:
        self.real = 0
        self.clock = ManualClock(T0)
        self.boots = 0
        self.steady = SteadyClock(self.clock)

    def pass_ms(self, ms: int) -> None:
        self.real += ms
        self.clock.advance(ms)

    def start(self, case: Case, saved: Mark) -> tuple[Case, Mark]:
        """What the agent does at a start: settle the step, note the new base, both at once."""
        self.steady = SteadyClock(self.clock)
        now = self.mark()
        by_ms = step_since(saved, boot=now.boot, utc_ms=now.utc_ms, monotonic_ms=now.monotonic_ms)
        return shift_clock(case, by_ms), now if by_ms else saved

    def reboot(self) -> None:
        wall = self.clock.utc_ms()
        self.clock = ManualClock(wall)
        self.boots += 1

    def mark(self) -> Mark:
        return mark(self.steady.utc_ms(), self.clock.monotonic_ms(), f"boot {self.boots}")


@given(lives)
@example([Life(1_000, 1_000, 0, -7_200_000, reboot=False, cut_off=True)])
@example([Life(1_000, 1_000, 0, 900, reboot=False, cut_off=False)] * 6)
def test_the_clock_never_ends_early(history: list[Life]) -> None:
    machine = Machine()
    case, _ = opened()
    case = replace(case, identified=True, plate="京A12345", notice="pending")
    case, _ = step(case, NoticeAccepted(machine.steady.utc_ms()))
    saved = machine.mark()
    for life in history:
        # A mark every five seconds, the last one some time before the end.
        marked, rest = divmod(life.runs, MARK_EVERY_MS)
        machine.clock.set_utc(machine.clock.utc_ms() + life.set_while_running)
        machine.pass_ms(marked * MARK_EVERY_MS)
        saved = machine.mark()
        machine.pass_ms(rest)
        assert ended_properly(case, machine)
        if life.reboot:
            machine.reboot()
        machine.clock.set_utc(machine.clock.utc_ms() + life.set_while_off)
        machine.pass_ms(life.off)
        case, saved = machine.start(case, saved)
        if life.cut_off:
            case, saved = machine.start(case, saved)
        assert ended_properly(case, machine)
    left_ms = (case.clock_ends_ms or 0) - machine.steady.utc_ms()
    assert machine.real + left_ms >= GRACE_MS
    # Without a reboot nothing is given away either, but for small steps back.
    if not any(life.reboot for life in history):
        assert machine.real + left_ms <= GRACE_MS + 1_000 * 2 * len(history)


def ended_properly(case: Case, machine: Machine) -> bool:
    """By the agent's time the clock has ended only if it really has."""
    assert case.clock_ends_ms is not None
    return machine.steady.utc_ms() < case.clock_ends_ms or machine.real >= GRACE_MS


def test_a_clock_that_is_over_does_not_move() -> None:
    case = notified()
    ended = replace(case, state="closed")
    assert shift_clock(ended, 5_000) == ended
    assert shift_clock(case, 0) == case
