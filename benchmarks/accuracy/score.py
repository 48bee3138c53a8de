"""What the agent said against the truth. Pure: truth and log in, judgement out.

Two scores. The *lenient* one is that of the i-LIDS parked vehicle task: an alarm counts if it comes within a window, each
event once. The *strict* one also wants the right vehicle at the right place and one case a stay. Wherever something hides
a vehicle, the window waits as long as an observer with the same looks would have to.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from benchmarks.accuracy.play import Log, Opened, Tasked
from zones import Box
from zones.geometry import iou

WINDOW_MS = 10_000
"""An alarm may come so long after it was due, as in i-LIDS; start and end of a stay may be off by as much. Where looks are rarer
than the scenes' own an alarm has longer (`Rules.window_ms`)."""

SAME_PLACE = 0.3
"""Overlap of boxes from which a case is about a vehicle; parked vehicles overlap less."""

SEEN = 0.7
"""A vehicle counts as visible from this share of its silhouette."""

_SLACK_MS = 1_000

CREEP_MS = 250
"""A vehicle that brakes is within 6 cm of its place for the last quarter of a second, and one that pulls out for the first: a
pixel at most, which no picture tells from standing. A clock may begin there, and a task may rest on a picture from there."""


@dataclass(frozen=True, slots=True)
class TrueStay:
    """A vehicle that really stood. Times are milliseconds of the scene.

    Attributes:
        id, vehicle: names of the truth.
        box: its silhouette within the picture.
        standing_ms, leaving_ms: exact; `leaving_ms` None: to the end.
        role: `event`: in the zone, plain to see; `outside`: plainly not in the zone; `either`: at the zone's edge, or
            mostly hidden for good or cut by the picture's edge: neither asked for nor held against anyone.
        hidden: times when less than `SEEN` of it was visible.
    """

    id: str
    vehicle: str
    box: Box
    standing_ms: int
    leaving_ms: int | None
    role: Literal["event", "outside", "either"]
    hidden: tuple[tuple[int, int], ...] = ()

    def stands(self, at_ms: int) -> bool:
        return self.standing_ms <= at_ms and (self.leaving_ms is None or at_ms < self.leaving_ms)

    def visible(self, at_ms: int) -> bool:
        return not any(start <= at_ms < end for start, end in self.hidden)


@dataclass(frozen=True, slots=True)
class Rules:
    """Of the zone and the camera; `window_ms`: an alarm may come so long after it was due."""

    confirm_ms: int
    grace_ms: int
    period_ms: int
    end_ms: int
    window_ms: int = WINDOW_MS

    @property
    def longest_ms(self) -> int:
        """Looks further apart leave time between them uncovered."""
        return round(self.period_ms * 2.5) + 1000


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that went wrong, with the moment to look at."""

    what: str
    at_ms: int
    stay: str = ""
    case: str = ""
    box: Box | None = None


@dataclass(frozen=True, slots=True)
class Moments:
    """How far start and end of a stay that was found are off, milliseconds; None: outside of the scene."""

    start_ms: int | None
    end_ms: int | None

    @property
    def near(self) -> bool:
        """Whether both are within the window."""
        return all(abs(off) <= WINDOW_MS for off in (self.start_ms, self.end_ms) if off is not None)


@dataclass(slots=True)
class Judgement:
    """What came of one scene.

    Attributes:
        right, missed, false: strict counts of events.
        window_right, window_missed, window_false: lenient ones.
        moments: of each stay that was found.
        cases: cases of each stay that is an event and was found.
        fragments: the agent's stays for each event that was found.
        switches: how often one of the agent's stays went over from one vehicle to another.
        tasks: tasks in all; `tasks_due`: stays that called for one; `tasks_right`: of those, how many got it.
        wrongful: tasks where nobody, somebody else, or somebody whose time was not up stood there.
        pulling_out: tasks that are none of these, on a picture within `CREEP_MS` after the vehicle began to leave.
        faults: all of it with moments.
    """

    right: int = 0
    missed: int = 0
    false: int = 0
    window_right: int = 0
    window_missed: int = 0
    window_false: int = 0
    moments: list[Moments] = field(default_factory=list)
    cases: list[int] = field(default_factory=list)
    fragments: list[int] = field(default_factory=list)
    switches: int = 0
    tasks: int = 0
    tasks_due: int = 0
    tasks_right: int = 0
    wrongful: int = 0
    pulling_out: int = 0
    faults: list[Fault] = field(default_factory=list)


ROLL_MS = 1_000
"""The last inch of braking takes this long (decision 0072): until then a vehicle that looks as if it stood may still roll."""


def due_ms(stay: TrueStay, looks: Sequence[int], rules: Rules, roll_ms: int = 0) -> int | None:
    """When an observer with these looks has seen it stand for long enough; None: never while it stands.

    Args:
        stay: who stands.
        looks: instants of the looks.
        rules: of the scene.
        roll_ms: for how long after it stopped the observer still takes it for rolling.
    """
    covered, before = 0, None
    for at_ms in looks[bisect_left(looks, stay.standing_ms) :]:
        if not stay.stands(at_ms):
            return None
        if not stay.visible(at_ms):
            before = None
            continue
        if before is not None and at_ms - before <= rules.longest_ms:
            covered += at_ms - before
        before = at_ms
        if covered >= rules.confirm_ms + roll_ms:
            return at_ms
    return None


def judge(stays: Sequence[TrueStay], log: Log, rules: Rules) -> Judgement:
    """Compare a scene's log with its truth."""
    out = Judgement()
    due = {stay.id: due_ms(stay, log.looks, rules) for stay in stays if stay.role == "event"}
    wanted = {}
    for stay in stays:
        at = _wanted_ms(stay, log.looks, rules, due.get(stay.id))
        if at is not None and at + rules.window_ms <= _until(stay, rules):
            wanted[stay.id] = at
    of_case = _match_cases(stays, log)
    _judge_cases(stays, log, rules, wanted, of_case, out)
    _judge_window(stays, log, rules, wanted, out)
    _judge_moments(stays, log, rules, of_case, wanted, out)
    _judge_identity(stays, log, out)
    _judge_tasks(stays, log, rules, due, of_case, out)
    return out


def _wanted_ms(stay: TrueStay, looks: Sequence[int], rules: Rules, due: int | None) -> int | None:
    """From when on a case is wanted. None may come before it is due; but where the next look that can make sure that the vehicle
    was not rolling comes late - because something hides it, or looks are half a minute apart - nobody can be sure before that."""
    sure = None if due is None else due_ms(stay, looks, rules, ROLL_MS)
    soon = sure is not None and due is not None and sure - due <= min(rules.period_ms, WINDOW_MS)
    return due if soon else sure


def _until(stay: TrueStay, rules: Rules) -> int:
    return rules.end_ms if stay.leaving_ms is None else stay.leaving_ms


def _at(stays: Sequence[TrueStay], box: Box, at_ms: int, slack_ms: int = 0) -> TrueStay | None:
    """Who really stands in a box at a moment."""
    best, most = None, SAME_PLACE
    for stay in stays:
        if stay.stands(at_ms) or stay.stands(at_ms - slack_ms) or stay.stands(at_ms + slack_ms):
            overlap = iou(stay.box, box)
            if overlap >= most:
                best, most = stay, overlap
    return best


def _match_cases(stays: Sequence[TrueStay], log: Log) -> dict[str, TrueStay | None]:
    return {case.case: _at(stays, case.box, case.at_ms, _SLACK_MS) for case in log.opened}


def _judge_cases(
    stays: Sequence[TrueStay],
    log: Log,
    rules: Rules,
    wanted: dict[str, int],
    of_case: dict[str, TrueStay | None],
    out: Judgement,
) -> None:
    cases: dict[str, list[Opened]] = {}
    for case in log.opened:
        stay = of_case[case.case]
        if stay is None or stay.role == "outside":
            out.false += 1
            who = "nobody stands there" if stay is None else "it does not stand in the zone"
            out.faults.append(
                Fault(f"false case: {who}", case.at_ms, stay.id if stay else "", case.case, case.box)
            )
        elif stay.role == "event":
            cases.setdefault(stay.id, []).append(case)
    for stay in stays:
        if stay.role != "event":
            continue
        mine = cases.get(stay.id, [])
        for extra in mine[1:]:
            out.false += 1
            out.faults.append(Fault("a second case of one stay", extra.at_ms, stay.id, extra.case, extra.box))
        if mine:
            out.cases.append(len(mine))
            if mine[0].at_ms < stay.standing_ms + rules.confirm_ms - _SLACK_MS:
                out.false += 1
                out.faults.append(
                    Fault("case before its time", mine[0].at_ms, stay.id, mine[0].case, mine[0].box)
                )
                out.missed += stay.id in wanted
                continue
        if stay.id not in wanted:
            continue
        if not mine:
            out.missed += 1
            out.faults.append(Fault("no case", wanted[stay.id] + rules.window_ms, stay.id))
        elif mine[0].at_ms > wanted[stay.id] + rules.window_ms:
            out.missed += 1
            out.false += 1
            late = (mine[0].at_ms - wanted[stay.id]) / 1000
            out.faults.append(
                Fault(f"case {late:.0f} s late", mine[0].at_ms, stay.id, mine[0].case, mine[0].box)
            )
        else:
            out.right += 1


def _judge_window(
    stays: Sequence[TrueStay], log: Log, rules: Rules, wanted: dict[str, int], out: Judgement
) -> None:
    """As i-LIDS does: only the time of the alarm counts."""
    open_ = sorted(
        (wanted[s.id] + rules.window_ms, s.standing_ms + rules.confirm_ms) for s in stays if s.id in wanted
    )
    spare = [
        (s.standing_ms + rules.confirm_ms, _until(s, rules) + rules.window_ms)
        for s in stays
        if s.role != "outside" and s.id not in wanted
    ]
    for case in log.opened:
        hit = next((w for w in open_ if w[1] - _SLACK_MS <= case.at_ms <= w[0]), None)
        if hit is not None:
            open_.remove(hit)
            out.window_right += 1
        elif not any(start - _SLACK_MS <= case.at_ms <= end for start, end in spare):
            out.window_false += 1
    out.window_missed += len(open_)


def _judge_moments(
    stays: Sequence[TrueStay],
    log: Log,
    rules: Rules,
    of_case: dict[str, TrueStay | None],
    wanted: dict[str, int],
    out: Judgement,
) -> None:
    since = {said.stay: said.since_ms for said in reversed(log.said) if said.what == "settled"}
    ended = {said.stay: said.since_ms for said in log.said if said.what == "ended"}
    for stay in stays:
        mine = [case for case in log.opened if of_case[case.case] is stay]
        if not mine or stay.id not in wanted:
            continue
        first, last = mine[0].stay, mine[-1].stay
        start: int | None = None
        end: int | None = None
        if first in since:
            begin = max(0, stay.standing_ms)
            start = _off(since[first], begin, _next_look(stay, log, begin))
            if abs(start) > WINDOW_MS:
                out.faults.append(Fault(f"start off by {start / 1000:+.0f} s", begin, stay.id, mine[0].case))
        if stay.leaving_ms is not None and stay.leaving_ms <= rules.end_ms - 20_000:
            seen_again = _next_look(None, log, stay.leaving_ms, after=_hidden_to(stay, stay.leaving_ms))
            told = ended.get(last, rules.end_ms)
            end = _off(told, stay.leaving_ms, seen_again)
            if abs(end) > WINDOW_MS:
                never = "" if last in ended else ", never told"
                out.faults.append(
                    Fault(f"end off by {end / 1000:+.0f} s{never}", stay.leaving_ms, stay.id, mine[-1].case)
                )
        out.moments.append(Moments(start, end))


def _hidden_to(stay: TrueStay, at_ms: int) -> int:
    """The end of what hides the place at a moment, or the moment."""
    return max((end for start, end in stay.hidden if start <= at_ms <= end), default=at_ms)


def _next_look(stay: TrueStay | None, log: Log, at_ms: int, *, after: int = 0) -> int:
    """The first look from a moment on in which it could be seen; the moment itself if the next look is not late."""
    for look in log.looks[bisect_left(log.looks, max(at_ms, after)) :]:
        if stay is None or stay.visible(look):
            planned = log.planned[bisect_left(log.planned, at_ms)] if at_ms <= log.planned[-1] else at_ms
            return look if look > planned else at_ms
    return at_ms


def _off(said_ms: int, true_ms: int, latest_ms: int) -> int:
    """How far a moment is off, where nobody could see anything between the true one and the latest."""
    if true_ms <= said_ms <= latest_ms:
        return 0
    return said_ms - (true_ms if said_ms < true_ms else latest_ms)


def _judge_identity(stays: Sequence[TrueStay], log: Log, out: Judgement) -> None:
    who: dict[str, str] = {}
    tracks: dict[str, set[str]] = {}
    for said in log.said:
        if said.what not in ("settled", "proven"):
            continue
        stay = _at(stays, said.box, said.at_ms, _SLACK_MS)
        if stay is None:
            continue
        tracks.setdefault(stay.id, set()).add(said.stay)
        if who.get(said.stay, stay.vehicle) != stay.vehicle:
            out.switches += 1
            out.faults.append(Fault("one stay, two vehicles", said.at_ms, stay.id))
        who[said.stay] = stay.vehicle
    out.fragments.extend(len(tracks[s.id]) for s in stays if s.role == "event" and s.id in tracks)


def _judge_tasks(
    stays: Sequence[TrueStay],
    log: Log,
    rules: Rules,
    due: dict[str, int | None],
    of_case: dict[str, TrueStay | None],
    out: Judgement,
) -> None:
    tasked: set[str] = set()
    for task in log.tasked:
        out.tasks += 1
        wrong = _wrong(stays, task, rules, of_case)
        if wrong:
            out.wrongful += 1
            out.faults.append(Fault(f"wrongful task: {wrong}", task.at_ms, "", task.case, task.box))
        else:
            stay = _at_task(stays, task)
            tasked.update(() if stay is None else (stay.id,))
            out.pulling_out += stay is not None and not stay.stands(task.at_ms)
    for stay in stays:
        confirmed = due.get(stay.id)
        if confirmed is None or confirmed + rules.grace_ms + 2 * rules.window_ms > _until(stay, rules):
            continue
        fresh = [
            t for t in log.looks if t >= confirmed + rules.grace_ms and stay.stands(t) and stay.visible(t)
        ]
        if len(fresh) >= 5:
            out.tasks_due += 1
            out.tasks_right += stay.id in tasked
            if stay.id not in tasked:
                out.faults.append(Fault("no task", confirmed + rules.grace_ms + rules.window_ms, stay.id))


def _at_task(stays: Sequence[TrueStay], task: Tasked) -> TrueStay | None:
    """Who stands where a task says, or has just begun to leave."""
    return _at(stays, task.box, task.at_ms) or _at(stays, task.box, task.at_ms - CREEP_MS)


def _wrong(stays: Sequence[TrueStay], task: Tasked, rules: Rules, of_case: dict[str, TrueStay | None]) -> str:
    """Why a task should not have been, or nothing."""
    stay = _at_task(stays, task)
    if stay is None:
        return "nobody stands there"
    if stay.role == "outside":
        return "it does not stand in the zone"
    if task.at_ms < stay.standing_ms - CREEP_MS + rules.confirm_ms + rules.grace_ms:
        early = (stay.standing_ms + rules.confirm_ms + rules.grace_ms - task.at_ms) / 1000
        return f"{early:.1f} s before its time"
    opened = of_case.get(task.case)
    if opened is not None and opened.vehicle != stay.vehicle:
        return "the case was another vehicle's"
    return ""
