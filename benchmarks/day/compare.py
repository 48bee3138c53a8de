"""Every published figure beside the script's truth."""

from __future__ import annotations

import json
from collections.abc import Iterator

from benchmarks.day.agents import name_of, place_of
from benchmarks.day.truth import Place, Truth, interval
from benchmarks.day.world import OFFICERS, World
from benchmarks.published import Published, Row, both
from benchmarks.published import one as same

CLOCK_SLACK_S = 2.5
"""A duration that was lived through may be so much off, seconds of real time: every button is pressed by a program that has
to wait for its turn."""


WAITED_MS = 200_000
"""From here on an outcome has waited for a network, not for its turn, which took up to two seconds of real time."""


RESULTS = ("ticketed", "moved_on", "towed", "vehicle_gone", "not_a_violation", "wrong_vehicle", "other")
LABELS = {
    "ticketed": "Ticketed", "moved_on": "Moved on after talking", "towed": "Towed", "vehicle_gone": "Vehicle was gone",
    "not_a_violation": "Not a violation", "wrong_vehicle": "Wrong vehicle", "other": "Other",
}  # fmt: skip


def published(found: Published, truth: Truth, speed: float) -> Iterator[Row]:
    """The page and its tables."""
    figures = {row["figure"]: row for row in found.tables["figures"]}
    departure = _share(truth.left, truth.left + truth.tasked)
    done = _share(truth.on_time, truth.on_time + truth.late)
    yield same(
        "left after the warning, share and 95 % interval", found.big[0] if found.big else "", departure[0]
    )
    yield same("… of the CSV", _csv_share(figures["left_after_warning"]), departure[1])
    yield same(
        "tasks done on time, share and 95 % interval", found.big[1] if len(found.big) > 1 else "", done[0]
    )
    yield same("… of the CSV", _csv_share(figures["tasks_closed_on_time"]), done[1])
    for figure, word, name, true in (
        ("warned", "Warned", "warned", truth.warned),
        ("left", "Left", "left_after_warning", truth.left),
        ("still there: task", "Still there: task", "tasked_after_warning", truth.tasked),
        ("ended without proof", "Ended without proof", "ended_without_proof", truth.unproven),
        ("clock still runs", "Clock still runs", "not_decided_yet", 0),
        ("closed on time", "On time", "tasks_closed_on_time", truth.on_time),
        ("closed late", "Closed late", "tasks_closed_late", truth.late),
        ("open and late", "Open and late", "tasks_open_and_late", 0),
    ):
        yield both(figure, found.pairs.get(word, ""), figures[name]["count"], str(true))
    for result in RESULTS:
        page = found.row(LABELS[result])
        yield both(f"found: {result}", page[0] if page else "", figures[f"result_{result}"]["count"],
                    str(truth.results[result]))  # fmt: skip
    page = found.row("Retracted")
    yield both(
        "retracted", page[0] if page else "", figures["tasks_retracted"]["count"], str(truth.retracted)
    )
    day = found.tables["days"][0]
    yield both("the day: cases, warned, left, tasks", " ".join(found.row(day["day"])),
                " ".join(day[name] for name in ("cases", "warned", "left", "tasks")),
                f"{truth.cases} {truth.warned} {truth.left} {truth.enforcements}")  # fmt: skip
    yield from _places(found, truth)
    yield from _officers(found, truth, speed)
    yield from _precision(found, truth)


def _places(found: Published, truth: Truth) -> Iterator[Row]:
    often = {place: one for place, one in truth.places.items() if one.cases >= 3}
    yield same("repeat places", str(len(found.tables["places"])), str(len(often)))
    rows = {(row["place"], row["camera"], row["zone"]): row for row in found.tables["places"]}
    for place, one in sorted(often.items()):
        agent, camera, zone = place
        row = rows.get((place_of(*place), f"cam{camera + 1}", f"P{zone + 1}"), {})
        table = " ".join(row.get(name, "-") for name in ("cases", "days", "warned", "left", "tasked"))
        page = " ".join(found.row(place_of(*place)))
        yield both(f"{name_of(agent)} cam{camera + 1} P{zone + 1}: cases, days, warned, left, tasks", page, table,
                    f"{one.cases} 1 {one.warned} {one.left} {one.tasked}")  # fmt: skip


def _officers(found: Published, truth: Truth, speed: float) -> Iterator[Row]:
    yield same("officers", str(len(found.tables["officers"])), str(len(truth.officers)))
    rows = {row["officer"]: row for row in found.tables["officers"]}
    names = ("accepted", "closed", "on_time", "retracted", "open_now")
    for officer, one in sorted(truth.officers.items()):
        row = rows.get(OFFICERS[officer], {})
        told = " ".join(row.get(name, "-") for name in names)
        true = f"{one.accepted} {one.closed} {one.on_time} {one.retracted} 0"
        cells = found.row(OFFICERS[officer])
        whole = "–" if one.closed == 0 else _percent(one.on_time / one.closed)
        same_page = len(cells) == 5 and [*cells[:3], cells[4]] == [
            str(one.accepted),
            str(one.closed),
            whole,
            "0",
        ]
        what = f"officer {officer + 1}: accepted, closed, on time, retracted, open"
        yield Row(
            what, told if same_page else f"{told} (page: {' '.join(cells)})", true, same_page and told == true
        )
        minutes = row.get("median_minutes_to_close", "")
        if one.median_minutes is not None:
            slack = CLOCK_SLACK_S * speed / 60
            equal = minutes != "" and abs(float(minutes) - one.median_minutes) <= slack
            yield Row(
                f"officer {officer + 1}: median minutes",
                minutes,
                f"{one.median_minutes:.1f} ± {slack:.1f}",
                equal,
            )


def _precision(found: Published, truth: Truth) -> Iterator[Row]:
    rows = {(row["agent"], row["camera"], row["zone"]): row for row in found.tables["precision"]}
    known: dict[Place, tuple[int, int, int, int]] = {
        place: (one.confirmed, one.false, one.gone, one.other)
        for place, one in truth.precision.items()
        if one.confirmed + one.false + one.gone + one.other
    }
    yield same("zones with outcomes", str(len(rows)), str(len(known)))
    for (agent, camera, zone), counts in sorted(known.items()):
        row = rows.get((name_of(agent), f"cam{camera + 1}", f"P{zone + 1}"), {})
        told = " ".join(row.get(name, "-") for name in ("confirmed", "false", "gone", "other"))
        right, of = counts[0], counts[0] + counts[1]
        share = _share(right, of)[1] if of else ""
        said = " ".join(row.get(name, "") for name in ("precision", "low_95", "high_95")).strip()
        yield same(f"{name_of(agent)} cam{camera + 1} P{zone + 1}: confirmed, false, gone, other", told,
                   " ".join(map(str, counts)))  # fmt: skip
        yield same("… precision and 95 % interval", said, share)


def stored(truth: Truth) -> Iterator[Row]:
    """What lies in the centre's tables: nothing open, nothing doubled, nothing lost."""
    from django.db.models import Count, F

    from central.cases.models import Attachment, Case, HistoryEntry, WorkOrder
    from central.cases.states import OPEN_STATES
    from central.dispatch.models import Assignment, AssignmentState, Offer
    from central.field.models import Submission
    from central.fleet.models import Letter
    from central.ingest.models import Quarantined
    from central.notices.models import Notice
    from central.parking.models import Stay

    orders = WorkOrder.objects.unscoped("a benchmark counts all of its own centre")
    cases = Case.objects.unscoped("a benchmark counts all of its own centre")
    offers = Offer.objects.unscoped("a benchmark counts all of its own centre")
    states = dict(Stay.objects.values_list("agent_state").annotate(n=Count("pk")).order_by())
    told = dict(offers.values_list("state").annotate(n=Count("pk")).order_by())
    twice = orders.values("case").annotate(n=Count("pk")).filter(n__gt=1).count()
    yield same("cases", str(cases.count()), str(truth.cases))
    yield same("tasks", str(orders.count()), str(truth.tasks))
    yield same("tasks still open", str(orders.filter(state__in=OPEN_STATES).count()), "0")
    yield same("cases with two tasks", str(twice), "0")
    ended = Assignment.rows.filter(state=AssignmentState.OVER).count()
    yield same("searches for an officer that are over", str(ended), str(truth.tasks))
    for state in ("accepted", "declined", "expired", "withdrawn"):
        yield same(f"offers {state}", str(told.get(state, 0)), str(truth.offers[state]))
    yield same("offers open", str(told.get("offered", 0)), "0")
    for state in ("self_corrected", "exempt", "closed"):
        yield same(
            f"cases that ended at the camera: {state}", str(states.get(state, 0)), str(truth.states[state])
        )
    closed = cases.filter(state="closed").count()
    yield same("cases closed at the centre", str(closed), str(truth.cases))
    sent = Notice.objects.filter(state="accepted").count()
    yield same("warnings that the gateway took", str(sent), str(truth.warned))
    photos = Attachment.objects.filter(key__startswith="field:").count()
    yield same("photos of officers", str(photos), str(truth.photos))
    waited = Submission.objects.unscoped("a benchmark counts all of its own centre").filter(
        kind="outcome", received_at_ms__gte=F("tapped_at_ms") + WAITED_MS
    )
    late = sum(
        HistoryEntry.objects.filter(kind="sent_late", case=one.order.case_id).exists()
        for one in waited.select_related("order")
    )
    yield same("outcomes that waited for a network", str(late), str(truth.late_words))
    yield same(
        "actions of phones refused",
        str(Submission.objects.unscoped("its own centre").exclude(verdict="done").count()),
        "0",
    )
    yield same(
        "letters that no agent confirmed",
        str(Letter.objects.filter(confirmed_at_ms__isnull=True).count()),
        "0",
    )
    yield same("messages refused", str(Quarantined.objects.count()), "0")


def commands(world: World) -> Iterator[Row]:
    """The proofs that the centre itself offers."""
    audit = world.patrol("audit", "verify")
    yield Row(
        "patrol central audit verify", f"exit code {audit.returncode}", "exit code 0", audit.returncode == 0
    )
    again = world.patrol("statistics", "verify", "--from", world.day, "--to", world.day, "--json")
    try:
        parts = json.loads(again.stdout)["parts"]
        others = ", ".join(part for part, verdict in parts.items() if verdict != "same")
    except (ValueError, KeyError):
        others = again.stderr.strip()[-200:] or "no answer"
    yield Row(
        "patrol central statistics verify",
        others or "the same",
        "the same",
        not others and again.returncode == 0,
    )


def _share(hits: int, of: int) -> tuple[str, str]:
    """As the page and as the CSV write it."""
    if not of:
        return "–", ""
    low, high = interval(hits, of)
    share = hits / of
    return (
        f"{_percent(share)}[{_percent(low)} – {_percent(high)}]",
        f"{round(share, 4)} {round(low, 4)} {round(high, 4)}",
    )


def _percent(share: float) -> str:
    return f"{share * 100:.1f} %"


def _csv_share(row: dict[str, str]) -> str:
    return " ".join(row[name] for name in ("share", "share_low_95", "share_high_95")).strip()
