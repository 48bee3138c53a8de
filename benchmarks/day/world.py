"""The centre of the day: `patrol central up` with Mosquitto and a database of its own, its people, rosters and grids."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.centre import JURISDICTION, PASSWORD, Centre, centre, session, up
from benchmarks.day.agents import KM, WEST, name_of, position_of
from benchmarks.day.script import LEASE_MS, POSTS_KM, RESPONSE_MS, Script

World = Centre

OFFICERS = ("王海", "李静", "张伟", "刘洋", "陈晨", "赵磊", "孙丽", "周强")


@contextmanager
def world(folder: Path, script: Script, speed: int, database: str) -> Iterator[World]:
    """Build it, and take it down at the end.

    Args:
        folder: empty.
        speed: of the day's clock.
        database: ``postgresql`` or ``sqlite``.

    Raises:
        UnavailableError: PostgreSQL or Mosquitto is not installed, or the centre did not come up.
    """
    settings = {
        "PATROL_CENTRAL_LEASE_SECONDS": str(LEASE_MS // 1000),
        "PATROL_CENTRAL_RESPONSE_MINUTES": str(RESPONSE_MS // 60_000),
    }
    logins = [name_of(agent) for agent in range(script.agents)]
    with ExitStack() as stack:
        made = stack.enter_context(
            centre(
                folder, hours=script.hours, speed=speed, database=database, logins=logins, settings=settings
            )
        )
        _people(made, script)
        up(stack, made)
        yield made


def _people(made: World, script: Script) -> None:
    from shapely.geometry import MultiPolygon, box

    from central.dispatch import rosters
    from central.fleet.services import enrol
    from central.grids import services as grids
    from central.grids.reading import Entry, GridRow
    from central.owners import services as owners
    from central.people.services import add_user
    from notifier.owners.local import OwnerRow

    rows = [GridRow(code="d", name="模拟区", level=1, parent=None), GridRow(code="s", name="模拟街道", level=2, parent="d"),
            GridRow(code="c", name="模拟社区", level=3, parent="s")]  # fmt: skip
    entries = [Entry(n, row, None) for n, row in enumerate(rows)]
    for agent in range(script.agents):
        x = WEST.longitude + POSTS_KM[agent] * KM
        ground = box(x - 0.01, WEST.latitude - 0.01, x + 0.01, WEST.latitude + 0.01)
        row = GridRow(code=f"g{agent + 1}", name=f"{'东西南北'[agent]}街网格", level=4, parent="c")
        entries.append(Entry(len(entries), row, MultiPolygon([ground])))
        enrol(name_of(agent), JURISDICTION)
    grids.store(JURISDICTION, entries)
    owners.add([OwnerRow(stay.plate, f"+8613900{stay.number:06d}") for stay in script.stays if stay.known])
    add_user("admin", "administrator", password=PASSWORD, full_name="管理员")
    for officer in range(script.officers):
        user = add_user(f"officer{officer}", "officer", scope=JURISDICTION, full_name=OFFICERS[officer])
        made.users[officer] = user.pk
        made.cookies[officer] = session(user)
    rosters.store(
        JURISDICTION,
        [
            rosters.Wanted(f"officer{duty.officer}", made.began_ms + duty.from_ms - 1000 * (duty.from_ms == 0),
                           min(made.began_ms + duty.to_ms, made.began_ms + duty.from_ms + 24 * 3_600_000 - 2000))
            for duty in script.duties
        ],
    )  # fmt: skip


def post_of(script: Script, officer: int) -> tuple[float, float]:
    """(longitude, latitude) of an officer's post."""
    where = position_of(script.post_of(officer))
    return where.longitude, where.latitude
