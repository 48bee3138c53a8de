"""A city in a database: grids, cameras, officers, and cases by the million, written in bulk."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from django.db import connection, transaction
from django.db.models import Model

MINE, OTHER = "bench", "other"
"""Two jurisdictions: the one that is looked at, and a small neighbour whose map is measured."""

AGENTS, CAMERAS, OFFICERS, LEAVES = 20, 240, 200, 1623
SERVICES = ("sidewalk_parking", "fire_lane", "stall", "e_bike_heap", "rubbish")
ON_MAP = 5_000
BATCH = 20_000
MINUTE = 60_000


@dataclass(frozen=True)
class Size:
    """How much is written.

    Attributes:
        cases: of the jurisdiction that is looked at.
        open: of them with an open work order.
        watched: of them still with the camera, the driver's clock running.
    """

    cases: int
    open: int

    @property
    def watched(self) -> int:
        return self.open // 20


@dataclass(frozen=True)
class _Ground:
    leaves: list[tuple[int, float, float]]
    agents: list[int]
    officers: list[int]


def fill(size: Size, now_ms: int, seed: int, progress: Callable[[str, float], None]) -> None:
    """Write everything; the database has been migrated and is empty.

    Args:
        size: how much.
        now_ms: the moment that the city stands at, UTC milliseconds.
        seed: of chance.
        progress: called with what is being written and the share done.
    """
    dice = random.Random(seed)
    with transaction.atomic():
        ground = _lay(dice, now_ms)
    from central.cases.models import Case, Evidence, WorkOrder
    from central.parking.models import Stay

    total = size.cases + ON_MAP
    for model, make in ((Case, _cases), (Stay, _stays), (WorkOrder, _orders), (Evidence, _evidence)):
        rows = make(size, ground, now_ms, seed)
        name = model._meta.verbose_name_plural
        _write(model, rows, lambda done, name=name: progress(str(name), done / total))
    progress("statistics of the database", 1.0)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("VACUUM ANALYZE")
        else:
            cursor.execute("ANALYZE")
    with transaction.atomic():
        _tell(size)


def _lay(dice: random.Random, now_ms: int) -> _Ground:
    """Grids, agents with cameras, officers and one dispatcher per jurisdiction."""
    import numpy as np

    from benchmarks.grids.ground import wavy_leaves
    from central.cases.models import Picture
    from central.fleet.models import Agent, Camera
    from central.grids.models import Grid, GridArea, GridStamp
    from central.people.services import add_user

    shapes = wavy_leaves(LEAVES, np.random.default_rng(1))
    tops = [Grid(jurisdiction_id=MINE, code="b", name="City", level=1)]
    Grid.objects.bulk_create(tops)
    middle = [
        Grid(jurisdiction_id=MINE, code=f"b{n:02}", name=f"District {n}", level=2, parent=tops[0])
        for n in range(15)
    ]
    Grid.objects.bulk_create(middle)
    lower = [
        Grid(
            jurisdiction_id=MINE,
            code=f"b{n % 15:02}-{n}",
            name=f"Quarter {n}",
            level=3,
            parent=middle[n % 15],
        )
        for n in range(55)
    ]
    Grid.objects.bulk_create(lower)
    leaves = [
        Grid(
            jurisdiction_id=MINE,
            code=f"{lower[n * 55 // LEAVES].code}-{n}",
            name=f"Grid {n}",
            level=4,
            parent=lower[n * 55 // LEAVES],
        )
        for n in range(LEAVES)
    ]
    Grid.objects.bulk_create(leaves)
    GridArea.objects.bulk_create(
        GridArea(
            grid=leaf,
            coordinates=[[[list(point) for point in shape.exterior.coords]]],
            valid_from_ms=1,
        )
        for leaf, (_, shape) in zip(leaves, shapes, strict=True)
    )
    GridStamp.objects.create(jurisdiction_id=MINE, stamp="bench")
    agents = [
        Agent(
            jurisdiction_id=MINE,
            agent_id=f"box-{n}",
            enrolled_at_ms=1,
            online=True,
            heard_at_ms=now_ms,
            health_at_ms=now_ms,
        )
        for n in range(AGENTS)
    ]
    Agent.objects.bulk_create(agents)
    Camera.objects.bulk_create(
        Camera(
            agent=agents[n % AGENTS],
            camera_id=f"cam-{n}",
            state="live",
            since_ms=now_ms,
            reported_at_ms=now_ms,
        )
        for n in range(CAMERAS)
    )
    Picture.objects.bulk_create(
        Picture(
            agent=agent, sha256=_digest(agent.pk), size=90_000, width=1280, height=720, received_at_ms=now_ms
        )
        for agent in agents
    )
    officers = [add_user(f"officer-{n}", "officer", scope=MINE) for n in range(OFFICERS)]
    add_user("dispatcher", "dispatcher", scope=MINE)
    add_user("everywhere", "dispatcher", scope="*")
    add_user("neighbour", "dispatcher", scope=OTHER)
    points = [shape.representative_point() for _, shape in shapes]
    places = [(leaf.pk, point.x, point.y) for leaf, point in zip(leaves, points, strict=True)]
    dice.shuffle(places)
    return _Ground(places, [agent.pk for agent in agents], [officer.pk for officer in officers])


def _digest(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


@dataclass(frozen=True)
class _Made:
    """What a case's number says of it, so that its rows in four tables agree."""

    number: int
    state: str
    opened_ms: int
    camera: int
    due_ms: int
    officer: int | None
    order: str | None


def _each(size: Size, ground: _Ground, now_ms: int, seed: int) -> Iterator[_Made]:
    """Every case, the oldest first. The newest are open or watched, with some old ones among them that lag behind."""
    dice = random.Random(seed + 1)
    total = size.cases + ON_MAP
    live = size.open + size.watched
    lagging = (
        set(random.Random(seed + 2).sample(range(size.cases - live), size.open // 20))
        if size.cases > 2 * live
        else set()
    )
    first_live = size.cases - live + len(lagging)
    for number in range(total):
        opened = now_ms - (total - number) * 24_000 - dice.randrange(20_000)
        is_live = number >= first_live or number in lagging
        watched = number >= size.cases - size.watched and number < size.cases
        order = (
            None
            if watched
            else dice.choice(("new", "accepted"))
            if is_live
            else dice.choice(("closed", "closed", "closed", "retracted"))
        )
        yield _Made(
            number=number + 1,
            state="watched" if watched else "open" if is_live else "closed",
            opened_ms=opened,
            # Few cameras see much, many see little.
            camera=min(int(dice.paretovariate(0.8)) - 1, CAMERAS - 1)
            if dice.random() < 0.5
            else dice.randrange(CAMERAS),
            due_ms=now_ms + dice.randrange(-20 * MINUTE, 8 * 60 * MINUTE),
            officer=dice.choice(ground.officers) if order in {"accepted", "closed"} else None,
            order=order,
        )


def _cases(size: Size, ground: _Ground, now_ms: int, seed: int) -> Iterator[dict[str, Any]]:
    dice = random.Random(seed + 3)
    for made in _each(size, ground, now_ms, seed):
        grid, longitude, latitude = ground.leaves[
            made.camera * 6 % LEAVES if dice.random() < 0.5 else dice.randrange(LEAVES)
        ]
        mine = made.number <= size.cases
        service = SERVICES[0] if dice.random() < 0.8 else dice.choice(SERVICES[1:])
        yield {
            "id": made.number,
            "source_key": f"k{made.number}",
            "service_code": service,
            "jurisdiction_id": MINE if mine else OTHER,
            "place": f"Road {made.camera} north gate"
            if service == SERVICES[0]
            else f"Lane {dice.randrange(9000)} no. {dice.randrange(300)}",
            "longitude": longitude + dice.uniform(-0.002, 0.002),
            "latitude": latitude + dice.uniform(-0.002, 0.002),
            "grid_id": grid if mine else None,
            "state": made.state,
            "opened_at_ms": made.opened_ms,
            "closed_at_ms": made.opened_ms + dice.randrange(15 * MINUTE, 90 * MINUTE)
            if made.state == "closed"
            else None,
        }


def _stays(size: Size, ground: _Ground, now_ms: int, seed: int) -> Iterator[dict[str, Any]]:
    dice = random.Random(seed + 4)
    states = {"watched": "notified", "open": "tasked", "closed": "closed"}
    for made in _each(size, ground, now_ms, seed):
        yield {
            "case_id": made.number,
            "agent_id": ground.agents[made.camera % AGENTS],
            "camera_id": f"cam-{made.camera}",
            "agent_case_id": str(made.number),
            "agent_state": states[made.state],
            "zone_name": "North gate",
            "vehicle_class": "car",
            "plate": f"京{dice.choice('ABCDEFGH')}{dice.randrange(100_000):05}",
            "first_seen_ms": made.opened_ms,
            "clock_ends_ms": now_ms + dice.randrange(600_000)
            if made.state == "watched"
            else made.opened_ms + 660_000,
            "why": "62% of its footprint is in zone P3, needs 40%; same vehicle by place, look and plate",
        }


def _orders(size: Size, ground: _Ground, now_ms: int, seed: int) -> Iterator[dict[str, Any]]:
    for made in _each(size, ground, now_ms, seed):
        if made.order is None:
            continue
        ended = made.order in {"closed", "retracted"}
        yield {
            "id": made.number,
            "case_id": made.number,
            "key": f"w{made.number}",
            "kind": "enforce",
            "state": made.order,
            "issued_at_ms": made.opened_ms + 660_000,
            "received_at_ms": made.opened_ms + 660_200,
            "due_at_ms": made.opened_ms + 41 * MINUTE if ended else made.due_ms,
            "assignee_id": made.officer,
            "accepted_at_ms": made.opened_ms + 700_000 if made.officer else None,
            "ended_at_ms": made.opened_ms + 40 * MINUTE if ended else None,
            "result": "ticketed" if made.order == "closed" else "",
            "outcome_id": f"o{made.number}" if made.order == "closed" else None,
        }


def _evidence(size: Size, ground: _Ground, now_ms: int, seed: int) -> Iterator[dict[str, Any]]:
    number = 0
    for made in _each(size, ground, now_ms, seed):
        agent = ground.agents[made.camera % AGENTS]
        for role in ("confirm", "recheck") if made.state != "watched" else ("confirm",):
            number += 1
            yield {
                "id": number,
                "case_id": made.number,
                "agent_id": agent,
                "sha256": _digest(agent),
                "role": role,
                "taken_at_ms": made.opened_ms,
                "width": 1280,
                "height": 720,
                "picture_id": ground.agents.index(agent) + 1,
            }


def _write(model: type[Model], rows: Iterable[dict[str, Any]], progress: Callable[[int], None]) -> None:
    """All rows, through COPY on PostgreSQL. Columns that a row leaves out get the field's own default."""
    fields = list(model._meta.concrete_fields)
    plain = [field.get_default() for field in fields]
    table, columns = model._meta.db_table, [str(field.column) for field in fields]
    known: Iterator[Sequence[Any]] = (
        [row.get(column, default) for column, default in zip(columns, plain, strict=True)] for row in rows
    )
    names = ", ".join(f'"{column}"' for column in columns)
    done = 0
    with transaction.atomic(), connection.cursor() as cursor:
        while batch := list(islice(known, BATCH)):
            if connection.vendor == "postgresql":
                with cursor.copy(f'COPY "{table}" ({names}) FROM STDIN') as copy:
                    for values in batch:
                        copy.write_row(values)
            else:
                places = ", ".join(["%s"] * len(columns))
                cursor.executemany(f'INSERT INTO "{table}" ({names}) VALUES ({places})', batch)  # noqa: S608
            done += len(batch)
            progress(done)
        if connection.vendor == "postgresql" and model._meta.pk is not None and model._meta.pk.column == "id":
            cursor.execute(
                f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), max(id)) FROM \"{table}\""  # noqa: S608
            )


def _tell(size: Size) -> None:
    """A dozen lines of history for the cases whose pages are measured."""
    from central.cases import history
    from central.cases.models import Case

    for case in Case.objects.filter(pk__gt=size.cases - 40, pk__lte=size.cases).select_for_update():
        for line in range(12):
            history.append(
                case,
                "agent_step",
                case.opened_at_ms + line,
                "agent:bench/box-1",
                state="confirmed",
                reason="",
            )
