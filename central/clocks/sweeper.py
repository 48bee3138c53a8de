"""The worker that does what clocks ask for. Any number may run, and each may be killed between any two statements.

What is due is a row with `next_at_ms`. Each clock is done in a transaction of its own together with everything that
follows from it - history, alerts, the next instant -, so that a sweep happened or did not. A worker takes a case's lock
as every writer does, passes over cases that another one holds (SKIP LOCKED), and looks again under the lock whether the
clock is still due. SQLite has one writer at a time and no such lock; the second look is the same.
"""

from __future__ import annotations

import logging
import os
import random
import socket

from django.db import connection, transaction
from django.db.models import Q

from central.cases.models import Case
from central.clocks import alerts, chores, health
from central.clocks.calendars import held_for, missing_years
from central.clocks.models import Clock, ClockState, Sweeper
from central.clocks.services import run
from central.live import beats
from central.live.work import Worker, run_here
from central.project import faults, logs
from central.project.clock import now_ms
from protocol.clock import Clock as TimeSource
from protocol.clock import iso

log = logging.getLogger(__name__)

BATCH = 200
POLL_S = 0.5
"""How long a worker rests when nothing is due: small beside the minute in which promises are counted."""

PUT_OFF_MS = 60_000
"""A clock that cannot be done is tried again after so long, and stops no other."""

HOUSEKEEPING_MS = 5_000
ALARM_MS = 60_000


class ClockSweeper(Worker):
    """Sweeps until told to stop.

    Args:
        name: how this process is known; its host and number where not given.
    """

    def __init__(self, name: str = "", clock: TimeSource | None = None) -> None:
        self.name = (name or f"{socket.gethostname()}-{os.getpid()}")[:100]
        super().__init__(beats.SWEEP, f"sweep-{self.name}", clock)
        self._dice = random.Random(self.name)  # noqa: S311  # only spreads workers over the rows
        self._chores = chores.Rota()

    def _work(self) -> None:
        self._take_turns(self._turn, POLL_S)

    def _turn(self) -> bool:
        self._keep_house()
        done = self.sweep()
        self._pulse.worked()
        self._pulse.beat()
        return done > 0

    def sweep(self) -> int:
        """Do what is due now, at most a batch; returns how many clocks were done.

        Raises:
            DatabaseError, InterfaceError: the database cannot be used; nothing is lost.
        """
        due = Clock.objects.filter(next_at_ms__lte=now_ms()).order_by("next_at_ms", "pk")
        waiting = list(due.values_list("pk", "case_id", "next_at_ms")[:BATCH])
        self._dice.shuffle(waiting)
        return sum(self._guarded(*row) for row in waiting if not self._stop.is_set())

    def reckon_again(self) -> int:
        """Give clocks whose calendar has changed their new due dates; returns how many were looked at."""
        done = 0
        for jurisdiction_id in self._jurisdictions():
            stamp = held_for(jurisdiction_id).stamp
            running = Clock.objects.filter(
                jurisdiction_id=jurisdiction_id, state=ClockState.RUNNING, breached_at_ms__isnull=True
            )
            stale = running.exclude(Q(calendar_stamp=stamp) | Q(calendar_stamp=""))
            # In any order, so that those which cannot be done do not stand in the way of the others.
            for row in list(stale.order_by("?").values_list("pk", "case_id", "next_at_ms")[:BATCH]):
                done += self._guarded(*row, stale=True)
        return done

    def _guarded(self, clock_id: int, case_id: int, seen_ms: int | None, *, stale: bool = False) -> bool:
        try:
            with logs.about(case=case_id):
                return sweep_one(clock_id, case_id, stale=stale)
        except Exception as error:
            if not faults.of_this_alone(error):
                raise
            with logs.about(case=case_id):
                log.exception("clock %s could not be swept", clock_id)
            later = now_ms() + PUT_OFF_MS
            Clock.objects.filter(pk=clock_id, next_at_ms=seen_ms).update(next_at_ms=later)
            return False

    def _keep_house(self) -> None:
        """Now and then: say that this process lives, follow changed calendars, and raise the alarm of missing years."""
        if self._is_due("house", HOUSEKEEPING_MS):
            seen = now_ms()
            Sweeper.objects.update_or_create(name=self.name, defaults={"seen_at_ms": seen})
            Sweeper.objects.filter(seen_at_ms__lt=seen - health.FORGET_MS).delete()
            while self.reckon_again() and not self._stop.is_set():
                self._pulse.beat()  # a new calendar may keep it busy for long
        if self._is_due("alarm", ALARM_MS):
            alarm_of_missing_years()
        for chore in self._chores.due(self._clock.monotonic_ms()):
            chore()
            self._pulse.beat()

    @staticmethod
    def _jurisdictions() -> list[str]:
        running = Clock.objects.filter(state=ClockState.RUNNING, breached_at_ms__isnull=True)
        return list(running.order_by().values_list("jurisdiction_id", flat=True).distinct())


def sweep_one(clock_id: int, case_id: int, *, stale: bool = False) -> bool:
    """Do one clock in one transaction; False if somebody else holds or did it.

    Args:
        stale: do it because its calendar has changed, due or not.
    """
    skip = {"skip_locked": True} if connection.features.has_select_for_update_skip_locked else {}
    with transaction.atomic():
        case = Case.objects.select_for_update(**skip).filter(pk=case_id).first()
        if case is None:
            return False
        found = Clock.objects.select_for_update(of=("self",)).select_related("party__whistle")
        clock = found.filter(pk=clock_id).first()
        now = now_ms()
        if clock is None or not (stale or (clock.next_at_ms is not None and clock.next_at_ms <= now)):
            return False
        clock.case = case
        events = run(case, clock, now)
        if events and now - events[0].at_ms > PUT_OFF_MS:
            log.warning(
                "case %s, %s: what was due at %s is done only now",
                case.pk,
                clock.kind,
                iso(events[0].at_ms),
            )
    return True


def alarm_of_missing_years() -> None:
    """Tell the administrators of each missing year, once a week until it is there, and the log each time."""
    for missing in missing_years():
        log.error(
            "the calendar of %s has no days off for %d: due dates %s provisional",
            missing.jurisdiction_id,
            missing.year,
            "are" if missing.urgent else "will be",
        )
        now = now_ms()
        week = now // (7 * 86_400_000)
        with transaction.atomic():
            key = f"missing-year:{missing.jurisdiction_id}:{missing.year}:{week}"
            if not alerts.Alert.objects.filter(key__startswith=f"{key}:").exists():
                alerts.tell(
                    missing.jurisdiction_id,
                    [alerts.ADMINISTRATORS],
                    key=key,
                    kind="missing_year",
                    at_ms=now,
                    year=missing.year,
                    jurisdiction=missing.jurisdiction_id,
                )


def run_worker() -> None:
    """Run one sweeper in this process until SIGTERM or Ctrl-C."""
    run_here(ClockSweeper())
