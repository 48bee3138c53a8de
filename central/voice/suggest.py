"""Matters like the one that somebody is typing: found by place and by words, then scored. Both databases do the same.

Two ways lead to a matter: the nine squares around the place, newest first, and an inverted index of pairs of neighbouring
characters. Each probe of either is a walk of one index that ends after so many rows, so the time that a suggestion takes hardly
depends on how many matters there are. What is found is scored by the likeness of `central.voice.likeness`.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from django.db import connection, transaction

from central.cases.alike import METRES_PER_DEGREE, Report, pairs
from central.cases.models import Case
from central.cases.states import CaseState, Relation
from central.voice.categories import codes_of_services
from central.voice.likeness import WINDOW_MS, likeness, model, radius_m, see
from central.voice.models import Heard, HeardWord

CELL_DEGREES = radius_m / METRES_PER_DEGREE
NEAR_MOST = 120
PROBES = 28
"""Pairs of the typed text that are looked up: the first and the last, where people name the place and the trouble."""

PROBE_MOST = 60
SCORED_MOST = 60
SHOWN = 3
LEAST_TEXT = 4


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A matter that is perhaps the same."""

    case: Case
    score: float


def cell_of(longitude: float, latitude: float) -> int:
    """The square of a place, as one number."""
    return _cell(*_square(longitude, latitude))


def hear(case: Case) -> None:
    """Put a new case into the index, in its opening transaction. A case of another kind is passed over."""
    if case.service_code not in codes_of_services() or not case.text:
        return
    Heard.objects.create(**heard_fields(case))
    HeardWord.objects.bulk_create(
        [
            HeardWord(jurisdiction_id=case.jurisdiction_id, word=word, case=case, at_ms=case.opened_at_ms)
            for word in words_of(case.text, case.place)
        ]
    )


def heard_fields(case: Case) -> dict[str, object]:
    """What the index keeps of a case, apart from its words."""
    cell = None
    if case.longitude is not None and case.latitude is not None:
        cell = cell_of(case.longitude, case.latitude)
    return {
        "case": case,
        "jurisdiction_id": case.jurisdiction_id,
        "at_ms": case.opened_at_ms,
        "cell": cell,
        "text": case.text[:600],
    }


def words_of(text: str, place: str) -> list[int]:
    """The pairs of neighbouring characters of a text and its place, as numbers; each once."""
    found = dict.fromkeys((*pairs(place), *pairs(text[:600])))
    return [(ord(pair[0]) << 21) | ord(pair[1]) for pair in found if len(pair) == 2]


def suggest(jurisdiction_id: str, typed: Report) -> list[Suggestion]:
    """The matters that are most likely the same as what is typed, the likest first; at most three.

    Args:
        jurisdiction_id: where.
        typed: text, place, position and time of what is being written; `number` is not looked at.
    """
    if len(typed.text.strip()) < LEAST_TEXT:
        return []
    numbers = [*_near(jurisdiction_id, typed), *_by_words(jurisdiction_id, typed)]
    wanted = list(dict.fromkeys(numbers))
    # A suggestion names no reporter and shows no text: what is asked for here is asked for nobody's eyes.
    rows = Case._base_manager.filter(pk__in=wanted).values_list(
        "pk", "opened_at_ms", "longitude", "latitude", "text", "place", "parent_id", "relation"
    )
    scores: dict[int, float] = {}
    mine, threshold = see(typed), model().threshold
    for pk, at_ms, longitude, latitude, text, place, parent, relation in rows:
        how = likeness(mine, see(Report(pk, at_ms, longitude, latitude, text[:600], "", place)))
        if how is None or how < threshold:
            continue
        root = parent if relation == Relation.DUPLICATE and parent is not None else pk
        scores[root] = max(how, scores.get(root, 0.0))
    best = sorted(scores, key=lambda root: (-scores[root], root))[:SHOWN]
    cases = Case._base_manager.in_bulk(best)
    return [
        Suggestion(cases[root], scores[root]) for root in best if _open_or_fresh(cases[root], typed.at_ms)
    ]


def _open_or_fresh(case: Case, at_ms: int) -> bool:
    """A closed matter is shown for a while, so that people see that it was dealt with, and can open it again."""
    return case.state != CaseState.CLOSED or (case.closed_at_ms or 0) > at_ms - WINDOW_MS


def _near(jurisdiction_id: str, typed: Report) -> list[int]:
    if typed.longitude is None or typed.latitude is None:
        return []
    east, north = _square(typed.longitude, typed.latitude)
    cells = [_cell(east + dx, north + dy) for dx in (-1, 0, 1) for dy in (-1, 0, 1)]
    seen = Heard.objects.unscoped("a suggestion shows nothing of a person").filter(
        jurisdiction_id=jurisdiction_id, cell__in=cells, at_ms__gte=typed.at_ms - WINDOW_MS
    )
    return list(seen.order_by("-at_ms").values_list("pk", flat=True)[:NEAR_MOST])


def _by_words(jurisdiction_id: str, typed: Report) -> list[int]:
    """The matters that share most with what is typed, pairs that few matters have counting more."""
    words = words_of(typed.text, typed.place)
    if len(words) > PROBES:
        words = words[: PROBES // 2] + words[-PROBES // 2 :]
    if not words:
        return []
    since = typed.at_ms - WINDOW_MS
    # One statement of many short walks; each ends after PROBE_MOST rows of its own index range.
    walk = (
        "SELECT * FROM (SELECT word, case_id, at_ms FROM voice_heardword WHERE jurisdiction_id = %s AND word = %s"
        " AND at_ms >= %s ORDER BY at_ms DESC, case_id LIMIT %s) AS w"
    )
    values: list[object] = []
    for word in words:
        values += [jurisdiction_id, word, since, PROBE_MOST]
    found: dict[int, list[tuple[int, int]]] = defaultdict(list)
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join([walk] * len(words)), values)
        for word, case_id, at_ms in cursor.fetchall():
            found[word].append((case_id, at_ms))
    tally: dict[int, float] = defaultdict(float)
    for hits in found.values():
        span = max(1, typed.at_ms - min(at for _, at in hits))
        # How many there are in all: told, or reckoned from how far back the walk came.
        many = len(hits) if len(hits) < PROBE_MOST else len(hits) * WINDOW_MS / min(span, WINDOW_MS)
        for case_id, _ in hits:
            tally[case_id] += 1 / math.log2(2 + many)
    return sorted(tally, key=lambda case_id: -tally[case_id])[:SCORED_MOST]


def _square(longitude: float, latitude: float) -> tuple[int, int]:
    return math.floor(longitude / CELL_DEGREES / 1.2), math.floor(latitude / CELL_DEGREES)


def _cell(east: int, north: int) -> int:
    return (east + 2**20) * 2**21 + north + 2**20


def hear_missing(batch: int = 500) -> Iterator[int]:
    """Put older matters into the index; yields how many after each batch."""
    while True:
        missing = Case._base_manager.filter(service_code__in=codes_of_services(), heard__isnull=True).exclude(
            text=""
        )
        found = list(missing.order_by("pk")[:batch])
        if not found:
            return
        with transaction.atomic():
            for case in found:
                hear(case)
        yield len(found)
