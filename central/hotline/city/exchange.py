"""What the worker does with the city, each a step that may be cut short anywhere: poll, take, send, compare, mend."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction

from central.hotline.calls import HOTLINE
from central.hotline.city import outbox
from central.hotline.city.compare import Comparison, compare
from central.hotline.city.link import CityLink, CityRefusedError, CityTroubleError
from central.hotline.city.messages import BadMessageError, read_order
from central.hotline.city.orders import release, take
from central.hotline.config import City, HotlineFile
from central.hotline.models import CityFeed
from central.live.services import announce
from central.project.clock import now_ms
from protocol.errors import PatrolError

log = logging.getLogger(__name__)

PAGES = 50
"""In one poll; what is left comes with the next."""

SENDS = 20
KEPT = 200
"""Differences that the page shows."""


@dataclass(slots=True)
class Taken:
    """What became of the orders of a message."""

    taken: list[str] = field(default_factory=list)
    refused: list[dict[str, str]] = field(default_factory=list)


def take_all(raw: Iterable[Any], conf: HotlineFile, city: City) -> Taken:
    """Take each order by itself: one that makes no sense keeps no other back."""
    found = Taken()
    for one in raw:
        try:
            order = read_order(one)
            take(order, conf, city)
        except BadMessageError as error:
            found.refused.append({"number": error.number, "problem": error.problem})
        except PatrolError as error:
            found.refused.append({"number": str(one.get("number", ""))[:64], "problem": error.problem})
        else:
            found.taken.append(order.number)
    for each in found.refused:
        log.warning("city: order %s not taken: %s", each["number"] or "without a number", each["problem"])
    return found


def turn(link: CityLink, conf: HotlineFile) -> bool:
    """All that is due now; whether anything was done."""
    city = link.city
    CityFeed.objects.bulk_create([CityFeed(jurisdiction_id=city.jurisdiction)], ignore_conflicts=True)
    worked = bool(release(conf, city))
    if _mine("next_poll_ms", city, city.poll_seconds * 1000):
        worked = _guarded(city, lambda: poll(link, conf)) or worked
    for _ in range(SENDS):
        if not outbox.send_one(link):
            break
        worked = True
    if _mine("next_compare_ms", city, city.compare_minutes * 60_000):
        worked = _guarded(city, lambda: not mend(link, conf).same) or worked
    return worked


def poll(link: CityLink, conf: HotlineFile) -> int:
    """Read on from the cursor, which moves only when all before it is stored; how many orders came.

    Raises:
        CityTroubleError, CityRefusedError: the platform does not answer.
    """
    city = link.city
    feed = CityFeed.objects.get(pk=city.jurisdiction)
    cursor, came, refused = feed.cursor, 0, 0
    for _ in range(PAGES):
        page = link.orders(cursor)
        found = take_all(page.orders, conf, city)
        came, refused = came + len(found.taken), refused + len(found.refused)
        if page.cursor:
            cursor = page.cursor
            CityFeed.objects.filter(pk=city.jurisdiction).update(cursor=cursor)
        if not page.more:
            break
    trouble = f"{refused} orders could not be taken; see the log" if refused else ""
    CityFeed.objects.filter(pk=city.jurisdiction).update(polled_at_ms=now_ms(), trouble=trouble)
    announce(HOTLINE)
    return came


def mend(link: CityLink, conf: HotlineFile) -> Comparison:
    """Compare both sides, and fetch each order that got lost on its way here.

    Raises:
        CityTroubleError, CityRefusedError: the platform does not answer.
    """
    city = link.city
    found = compare(link)
    missing = []
    for number in found.missing_here:
        raw = link.order(number)
        if raw is None or not take_all([raw], conf, city).taken:
            missing.append(number)
    # A change of an order may have got lost as well: those that the city has taken back are asked for again.
    for one in found.differ:
        if one.theirs == "withdrawn" or (one.ours == "withdrawn" and not one.on_its_way):
            raw = link.order(one.number)
            if raw is not None:
                take_all([raw], conf, city)
    found.missing_here = missing
    CityFeed.objects.filter(pk=city.jurisdiction).update(
        compared_at_ms=now_ms(), differences=_kept(found), trouble=""
    )
    announce(HOTLINE)
    return found


def _kept(found: Comparison) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [{"number": number, "what": "missing_here"} for number in found.missing_here]
    rows += [{"number": number, "what": "unknown_there"} for number in found.unknown_there]
    rows += [
        {"number": one.number, "what": "differ", "theirs": one.theirs, "ours": one.ours, "case": one.case}
        for one in found.differ
        if not one.on_its_way
    ]
    return rows[:KEPT]


def _mine(name: str, city: City, every_ms: int) -> bool:
    """Whether it is time, and this worker's turn: of several one does it."""
    now = now_ms()
    due = {f"{name}__lte": now}
    return bool(CityFeed.objects.filter(pk=city.jurisdiction, **due).update(**{name: now + every_ms}))


def _guarded(city: City, work: Any) -> bool:
    try:
        return bool(work())
    except (CityTroubleError, CityRefusedError) as error:
        log.warning("city: %s", error)
        with transaction.atomic():
            CityFeed.objects.filter(pk=city.jurisdiction).update(trouble=str(error)[:300])
            announce(HOTLINE)
        return False
