"""A small city with every kind of case in it, written straight into the database."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from central.cases.models import Case, WorkOrder
from central.fleet.models import Agent, Camera
from central.grids.models import Grid, GridArea, GridStamp
from central.parking.models import Stay
from tests.central.street import JURISDICTION, MINUTE, NOON

ELSEWHERE = "elsewhere"
SERVICES = ("sidewalk_parking", "fire_lane")
STATES = ("new", "accepted", "closed", "retracted", "watched", "left", "idle")


@dataclass
class City:
    """What was made."""

    leaves: list[Grid]
    agents: list[Agent]
    officers: list[Any]
    cases: list[Case]


def square(x: float, y: float, side: float = 0.01) -> list[list[list[list[float]]]]:
    ring = [[x, y], [x + side, y], [x + side, y + side], [x, y + side], [x, y]]
    return [[ring]]


def make_grids(jurisdiction: str = JURISDICTION) -> list[Grid]:
    """One, two, four and eight grids; the leaves side by side in a row."""
    above: list[Grid | None] = [None]
    for level in (1, 2, 3, 4):
        above = [
            Grid.objects.create(
                jurisdiction_id=jurisdiction,
                code=f"{parent.code if parent else 'g'}{side}",
                name=f"Grid {level} {side}",
                level=level,
                parent=parent,
            )
            for parent in above
            for side in ("a" if level == 1 else "ab")
        ]
    leaves = [grid for grid in above if grid is not None]
    for number, leaf in enumerate(leaves):
        GridArea.objects.create(grid=leaf, coordinates=square(116.3 + number * 0.01, 39.9), valid_from_ms=1)
    GridStamp.objects.create(jurisdiction_id=jurisdiction, stamp="one")
    return leaves


def make_city(person: Any, count: int = 70, seed: int = 3) -> City:
    """`count` cases of all kinds, deadlines and endings often equal, some in another jurisdiction."""
    dice = random.Random(seed)
    leaves = make_grids()
    agents = [
        Agent.objects.create(
            jurisdiction_id=where, agent_id=name, enrolled_at_ms=1, online=True, heard_at_ms=NOON
        )
        for where, name in ((JURISDICTION, "box-1"), (JURISDICTION, "box-2"), (ELSEWHERE, "box-1"))
    ]
    for agent in agents:
        for camera in ("north", "south"):
            Camera.objects.create(agent=agent, camera_id=camera, state="live", since_ms=1, reported_at_ms=1)
    officers = [person("wang"), person("li")]
    cases = [_make_case(number, dice, leaves, agents, officers) for number in range(count)]
    return City(leaves, agents, officers, cases)


def _make_case(number: int, dice: random.Random, leaves: Any, agents: Any, officers: Any) -> Case:
    kind = dice.choice(STATES)
    agent = dice.choice(agents)
    mine = agent.jurisdiction_id == JURISDICTION
    leaf = dice.choice([*leaves, None]) if mine else None
    opened = NOON - dice.randrange(1, 12) * 10 * MINUTE
    ended = kind in {"closed", "retracted", "left"}
    case = Case.objects.create(
        source_key=f"k{number}",
        service_code=dice.choice(SERVICES),
        jurisdiction_id=agent.jurisdiction_id,
        place=dice.choice(("三里河路12号北门", "月坛南街 3", "Lane 5 north", "100% _shop_")),
        longitude=116.305 + dice.randrange(8) * 0.01 if dice.random() < 0.8 else None,
        latitude=39.905,
        grid=leaf,
        state={"watched": "watched"}.get(kind, "closed" if ended else "open"),
        opened_at_ms=opened,
        closed_at_ms=NOON - dice.randrange(6) * MINUTE if ended else None,
    )
    if case.longitude is None:
        case.latitude = None
        case.save()
    Stay.objects.create(
        case=case,
        agent=agent,
        camera_id=dice.choice(("north", "south")),
        agent_case_id=str(number),
        agent_state={"watched": "notified", "left": "self_corrected"}.get(kind, "tasked"),
        vehicle_class="car",
        plate=dice.choice(("京A12345", "京A19999", "沪B00001", "")),
        clock_ends_ms=NOON + dice.randrange(-2, 9) * MINUTE,
        why="the clock ended",
    )
    if kind in {"new", "accepted", "closed", "retracted"}:
        officer = dice.choice(officers) if kind in {"accepted", "closed"} else None
        WorkOrder.objects.create(
            case=case,
            key=f"w{number}",
            kind=dice.choice(("enforce", "manual_check")),
            state=kind,
            issued_at_ms=opened,
            received_at_ms=opened,
            due_at_ms=NOON + dice.randrange(-4, 30) * MINUTE,
            assignee=officer,
            accepted_at_ms=opened if officer else None,
            ended_at_ms=case.closed_at_ms,
            result="towed" if kind == "closed" else "",
            outcome_id=f"o{number}" if kind == "closed" else None,
        )
    return case
