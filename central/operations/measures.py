"""What the database knows of the centre, as Prometheus metrics. Counted when somebody asks, at most every few seconds.

Labels are words of the code and codes of services; no jurisdiction, person, place or text is ever one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator

from django.db import DatabaseError, connection, transaction
from django.db.models import Count, Min, Q, Sum
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from central.cases.models import Case, WorkOrder
from central.cases.states import OPEN_STATES, CaseState
from central.clocks.models import Clock, Kind
from central.contact.models import Message
from central.dispatch.models import Assignment, AssignmentState, Push
from central.fleet.models import Agent, Letter, Stranger
from central.ingest.models import Quarantined
from central.iot.models import DeadLetter
from central.live import beats
from central.live.models import Heartbeat
from central.notices.models import Notice
from central.operations.state import GOOD, look
from central.project.clock import now_ms
from protocol.clock import SystemClock

KEPT_MS = 5_000
"""Two Prometheus servers and a person with curl cost no more than one."""

PATIENCE_MS = 4_000
"""What PostgreSQL may take for one question; a scrape must not hold a busy database up."""

SERVICES = 50
"""Services with most open cases; the others are told together as `other`."""

WHY = "counts of the whole centre, for those who run it"


class DatabaseMeasures(Collector):
    """Everything that is counted in the database."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._clock = SystemClock()
        self._at_ms: int | None = None
        self._kept: list[Metric] = []

    def collect(self) -> Iterable[Metric]:
        """As prometheus-client asks for them."""
        with self._lock:
            now = self._clock.monotonic_ms()
            if self._at_ms is None or now - self._at_ms >= KEPT_MS:
                self._kept = list(_collect())
                self._at_ms = now
            return list(self._kept)

    def forget(self) -> None:
        """Count again next time."""
        self._at_ms = None


def _collect() -> Iterator[Metric]:
    yield InfoMetricFamily(
        "patrol_build",
        "What runs here.",
        value={"version": beats.product_version(), "database": connection.vendor},
    )
    up = 1.0
    found: list[Metric] = []
    try:
        with transaction.atomic():
            if connection.vendor == "postgresql":
                with connection.cursor() as cursor:
                    cursor.execute(f"SET LOCAL statement_timeout = {PATIENCE_MS}")
            for part in PARTS:
                found += part()
    except DatabaseError:
        connection.close()
        beats.count("database_errors", "web")
        up, found = 0.0, []
    yield GaugeMetricFamily("patrol_database_up", "1 if every question was answered.", value=up)
    yield from found


def _cases() -> Iterator[Metric]:
    cases = GaugeMetricFamily(
        "patrol_cases_open", "Open cases by service and by step of GB/T 30428.", labels=("service", "step")
    )
    rows = (
        Case.objects.unscoped(WHY)
        .filter(state=CaseState.OPEN)
        .order_by()
        .values_list("service_code", "step")
        .annotate(n=Count("pk"))
    )
    by_service: dict[str, dict[str, int]] = {}
    for service, step, n in rows:
        by_service.setdefault(service, {})[step or "none"] = n
    ranked = sorted(by_service, key=lambda name: (-sum(by_service[name].values()), name))
    told: dict[tuple[str, str], int] = {}
    for place, service in enumerate(ranked):
        for step, n in by_service[service].items():
            key = (service if place < SERVICES else "other", step)
            told[key] = told.get(key, 0) + n
    for key, n in told.items():
        cases.add_metric(key, n)
    yield cases
    orders = GaugeMetricFamily("patrol_work_orders_open", "Work orders that are not over.", labels=("state",))
    still = WorkOrder.objects.unscoped(WHY).filter(state__in=OPEN_STATES)
    counts = dict(still.order_by().values_list("state").annotate(n=Count("pk")))
    for state in sorted(OPEN_STATES):
        orders.add_metric((str(state),), counts.get(state, 0))
    yield orders
    late = still.filter(due_at_ms__lt=now_ms()).count()
    yield GaugeMetricFamily("patrol_work_orders_overdue", "Open work orders past their deadline.", value=late)


def _deadlines() -> Iterator[Metric]:
    now = now_ms()
    overdue = GaugeMetricFamily(
        "patrol_deadlines_overdue", "Promises that are broken and not yet fulfilled.", labels=("kind",)
    )
    rows = Clock.objects.unscoped(WHY).exclude(state="stopped").filter(due_at_ms__lt=now)
    counts = dict(rows.order_by().values_list("kind").annotate(n=Count("pk")))
    for kind in Kind.values:
        overdue.add_metric((kind,), counts.get(kind, 0))
    yield overdue
    due = Clock.objects.unscoped(WHY).filter(next_at_ms__lte=now)
    yield GaugeMetricFamily(
        "patrol_clocks_due", "Clocks that a sweeper has to look at now.", value=due.count()
    )
    oldest = due.aggregate(at=Min("next_at_ms"))["at"]
    yield GaugeMetricFamily(
        "patrol_sweeper_lag_seconds",
        "How long the oldest of them has been due.",
        value=0 if oldest is None else (now - oldest) / 1000,
    )


def _outboxes() -> Iterator[Metric]:
    now = now_ms()
    boxes = {
        "agent_letters": (Letter.objects.filter(confirmed_at_ms__isnull=True), "created_at_ms"),
        "owner_notices": (Notice.objects.filter(due_at_ms__isnull=False), "received_at_ms"),
        "device_pushes": (Push.objects.all(), "created_at_ms"),
        "messages": (Message.objects.filter(due_at_ms__isnull=False), "made_at_ms"),
    }
    depth = GaugeMetricFamily("patrol_outbox_messages", "Messages that wait to leave.", labels=("kind",))
    age = GaugeMetricFamily(
        "patrol_outbox_oldest_seconds", "How old the oldest of them is; 0 if none waits.", labels=("kind",)
    )
    for kind, (rows, made) in boxes.items():
        answer = rows.aggregate(n=Count("pk"), at=Min(made))
        depth.add_metric((kind,), answer["n"])
        age.add_metric((kind,), 0 if answer["at"] is None else max(0, now - answer["at"]) / 1000)
    yield depth
    yield age
    yield GaugeMetricFamily(
        "patrol_device_dead_letters",
        "Messages of devices, and words to cases, that the database refused.",
        value=DeadLetter.objects.unscoped(WHY).count(),
    )


def _tallies() -> Iterator[Metric]:
    names = {
        "ingest_messages": (
            "patrol_ingest_messages",
            "Messages of agents, by what became of them.",
            "outcome",
        ),
        "device_messages": (
            "patrol_device_messages",
            "Messages of devices that measure.",
            "outcome",
        ),
        "dispatch_offers": (
            "patrol_dispatch_offers",
            "Offers to officers, by what became of them.",
            "outcome",
        ),
        "database_errors": ("patrol_database_errors", "Failures of the database, by who met them.", "part"),
    }
    counted = beats.tallies()
    for thing, (name, text, label) in names.items():
        family = CounterMetricFamily(name, text, labels=(label,))
        for which, value in counted[thing].items():
            family.add_metric((which,), value)
        yield family


def _fleet() -> Iterator[Metric]:
    agents = Agent.objects.unscoped(WHY).filter(enabled=True)
    answer = agents.aggregate(
        n=Count("pk"), online=Count("pk", filter=Q(online=True)), waiting=Sum("outbox_waiting")
    )
    yield GaugeMetricFamily("patrol_agents_enrolled", "Agents that are listened to.", value=answer["n"])
    yield GaugeMetricFamily(
        "patrol_agents_online", "Of them, those that the broker sees.", value=answer["online"]
    )
    yield GaugeMetricFamily(
        "patrol_agents_messages_waiting",
        "Messages that agents hold and the centre has not taken, as the agents say.",
        value=answer["waiting"] or 0,
    )
    strangers = Stranger.objects.unscoped(WHY).count()
    yield GaugeMetricFamily(
        "patrol_agents_unknown", "Agents that knock without being enrolled.", value=strangers
    )
    kept = Quarantined.objects.count()
    yield GaugeMetricFamily("patrol_ingest_quarantined", "Messages kept for a person to look at.", value=kept)


def _dispatch() -> Iterator[Metric]:
    now = now_ms()
    searches = GaugeMetricFamily(
        "patrol_dispatch_searches", "Searches for an officer that are not over.", labels=("state",)
    )
    rows = Assignment.rows.filter(due_at_ms__isnull=False).order_by().values_list("state")
    counts = dict(rows.annotate(n=Count("pk")))
    for state in (AssignmentState.WAITING, AssignmentState.OFFERED, AssignmentState.UNASSIGNED):
        searches.add_metric((str(state.value),), counts.get(state, 0))
    yield searches
    due = Assignment.rows.filter(due_at_ms__lte=now).aggregate(at=Min("due_at_ms"))["at"]
    yield GaugeMetricFamily(
        "patrol_dispatch_lag_seconds",
        "How long the oldest search has waited for a worker.",
        value=0 if due is None else (now - due) / 1000,
    )


def _workers() -> Iterator[Metric]:
    now = now_ms()
    running = GaugeMetricFamily("patrol_workers_running", "Workers that say they live.", labels=("kind",))
    beat = GaugeMetricFamily(
        "patrol_worker_last_beat_timestamp_seconds", "When one of this kind last said so.", labels=("kind",)
    )
    done = GaugeMetricFamily(
        "patrol_worker_last_success_timestamp_seconds",
        "When one of this kind last did a turn without an error.",
        labels=("kind",),
    )
    rows = list(Heartbeat.objects.all())
    for kind in beats.KINDS:
        mine = [row for row in rows if row.kind == kind]
        alive = [r for r in mine if r.state != beats.STOPPED and r.beat_at_ms >= now - beats.SILENT_MS]
        running.add_metric((kind,), len(alive))
        for family, at in (
            (beat, [row.beat_at_ms for row in mine]),
            (done, [row.success_at_ms for row in mine if row.success_at_ms]),
        ):
            if at:
                family.add_metric((kind,), max(at) / 1000)
    yield running
    yield beat
    yield done


def _health() -> Iterator[Metric]:
    family = GaugeMetricFamily(
        "patrol_health",
        "1 where it is well, 0 where somebody has to mend it now.",
        labels=("check", "subject"),
    )
    worst: dict[tuple[str, str], float] = {}
    for finding in look().findings:
        # Which place or year lacks a calendar stands in /readyz; here it would be a label without bound.
        key = (finding.name, finding.subject if finding.name == "worker" else "")
        worst[key] = min(worst.get(key, 1.0), 1.0 if finding.tone == GOOD or finding.tone == "later" else 0.0)
    for key, value in worst.items():
        family.add_metric(key, value)
    yield family


PARTS: tuple[Callable[[], Iterator[Metric]], ...] = (
    _cases,
    _deadlines,
    _outboxes,
    _tallies,
    _fleet,
    _dispatch,
    _workers,
    _health,
)
