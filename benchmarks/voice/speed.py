"""Many matters of residents in a real database, and the time that a suggestion takes among them."""

from __future__ import annotations

import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

from benchmarks.voice.labelled import DAY_MS, METRES_PER_DEGREE, read
from central.cases.alike import Report

GOAL_MS = 100.0
JURISDICTION = "bench"
SPAN_DAYS = 365
SIDE_M = 6000.0
"""The city of the benchmark: a square of this side, as large as a sub-district or two."""

BATCH = 2000
ROADS = ("东", "西", "南", "北", "前", "后", "新", "老", "大", "小")
NAMES = (
    "槐柏树",
    "白纸坊",
    "牛街",
    "广内",
    "天桥",
    "陶然亭",
    "椿树",
    "大栅栏",
    "德胜",
    "什刹海",
    "新街口",
    "金融街",
)


def start(stack: ExitStack, database: str) -> None:
    """Django on a fresh, migrated database until the stack closes."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="patrol-bench-")))
    data = folder / "centre"
    data.mkdir(mode=0o700)
    os.environ["PATROL_CENTRAL_DATA"] = str(data)
    os.environ.pop("PATROL_DATABASE_URL", None)
    if database == "postgresql":
        from benchmarks.servers import postgresql

        os.environ["PATROL_DATABASE_URL"] = postgresql(stack, folder / "pg")[0]
    from central.project import bootstrap

    bootstrap.start()
    if database != "none":
        bootstrap.migrate()
    from django.db import connections

    stack.callback(connections.close_all)


def fill(reports: int, seed: int, progress: Callable[[float], None]) -> None:
    """Write matters over a year: cases, and the index as `suggest.hear` writes it.

    Six million pairs of characters go in without their index, which is built when they are there: it would be read and
    written all over for each of them.
    """
    from django.db import connection, transaction

    from central.cases.models import Case
    from central.cases.rules import opening
    from central.project.clock import now_ms
    from central.voice.models import Heard, HeardWord
    from central.voice.suggest import heard_fields, words_of

    now = now_ms()
    dice = random.Random(seed)  # makes up matters, no secret
    with transaction.atomic():
        first = opening("residents_voice")
    made = 0
    with connection.schema_editor() as editor:
        for index in HeardWord._meta.indexes:
            editor.remove_index(HeardWord, index)
    for made_up in _batches(reports, dice):
        with transaction.atomic():
            cases = Case.objects.bulk_create(
                [
                    Case(
                        **first,
                        source="person",
                        source_key=f"bench/{made + number}",
                        jurisdiction_id=JURISDICTION,
                        opened_at_ms=now - SPAN_DAYS * DAY_MS + report.at_ms,
                        longitude=report.longitude,
                        latitude=report.latitude,
                        text=report.text,
                        place=report.place,
                    )
                    for number, report in enumerate(made_up)
                ]
            )
            Heard.objects.bulk_create([Heard(**heard_fields(case)) for case in cases])
            _put_words(
                (JURISDICTION, word, case.pk, case.opened_at_ms)
                for case in cases
                for word in words_of(case.text, case.place)
            )
        made += len(made_up)
        progress(made / reports)
    with connection.schema_editor() as editor:
        for index in HeardWord._meta.indexes:
            editor.add_index(HeardWord, index)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def _put_words(rows: Iterable[tuple[str, int, int, int]]) -> None:
    """(jurisdiction, word, case, when) into the index's table, without an object for each."""
    from django.db import connection

    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            with cursor.copy(
                "COPY voice_heardword (jurisdiction_id, word, case_id, at_ms) FROM STDIN"
            ) as copy:
                for row in rows:
                    copy.write_row(row)
        else:
            cursor.executemany(
                "INSERT INTO voice_heardword (jurisdiction_id, word, case_id, at_ms) VALUES (%s, %s, %s, %s)",
                rows,
            )


def measure(rounds: int, seed: int, progress: Callable[[float], None]) -> list[dict[str, object]]:
    """Time to suggest for texts that are being typed, with a place and without."""
    from central.project.clock import now_ms
    from central.voice.suggest import suggest

    dice = random.Random(seed + 1)  # makes up matters, no secret
    now = now_ms()
    rows: list[dict[str, object]] = []
    for name, placed in (("suggestion with a place", True), ("suggestion by words alone", False)):
        wall, cpu, shown = [], [], 0
        for number, report in enumerate(next(_batches(rounds, dice, rounds))):
            at = (report.longitude, report.latitude) if placed else (None, None)
            typed = Report(0, now, at[0], at[1], report.text, "", report.place)
            begun, worked = time.perf_counter(), time.process_time()
            shown += bool(suggest(JURISDICTION, typed))
            wall.append((time.perf_counter() - begun) * 1000)
            cpu.append((time.process_time() - worked) * 1000)
            progress((number + 1) / rounds)
        p95 = statistics.quantiles(wall, n=20)[-1]
        rows.append(
            {
                "what": name,
                "median_ms": round(statistics.median(wall), 1),
                "p95_ms": round(p95, 1),
                "cpu_p95_ms": round(statistics.quantiles(cpu, n=20)[-1], 1),
                "with_a_suggestion": round(shown / rounds, 2),
                "goal_ms": GOAL_MS,
                "met": p95 < GOAL_MS,
            }
        )
    return rows


def _batches(count: int, dice: random.Random, size: int = BATCH) -> Iterator[list[Report]]:
    """Made-up reports: the texts of the labelled ones at other houses, with words put in and left out."""
    known = [one.report for one in read()]
    left = count
    while left:
        batch = []
        for _ in range(min(size, left)):
            base = dice.choice(known)
            road = f"{dice.choice(NAMES)}{dice.choice(ROADS)}{dice.choice(('街', '里', '胡同', '路'))}"
            house = dice.randint(1, 60)
            text = base.text if dice.random() < 0.5 else f"{base.text}，{dice.choice(known).text[:8]}"
            longitude = 116.3 + dice.random() * SIDE_M / 85_000
            latitude = 39.85 + dice.random() * SIDE_M / METRES_PER_DEGREE
            at_ms = round(dice.random() * SPAN_DAYS * DAY_MS)
            batch.append(Report(0, at_ms, longitude, latitude, f"{road}{text}", "", f"{road}{house}号楼"))
        left -= len(batch)
        yield batch
