"""The centre of the hour: its people, grids, devices, keys and webhooks, and the rules of this hour."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.centre import JURISDICTION, PASSWORD, centre, session, up
from benchmarks.hour import city, devices, hotline, hub, residents, shops
from benchmarks.hour.ground import HOUR, NAMES, box_of
from benchmarks.hour.hub import Hub
from benchmarks.hour.script import Script
from benchmarks.hour.stage import Stage

STAFF = (
    ("dispatcher0", "dispatcher"), ("dispatcher1", "dispatcher"), ("worker0", "grid_worker"),
)  # fmt: skip
CITY_KEY, HUB_KEY = "city-app", "hub"


@dataclass
class World:
    """What runs: the stage, the receiver of webhooks, the keys of programs and devices, and what stands on doors."""

    stage: Stage
    hub: Hub
    key: str
    device_keys: dict[str, str]
    codes: dict[int, str]


@contextmanager
def world(folder: Path, script: Script, speed: float, database: str) -> Iterator[World]:
    """Build it, and take it down at the end.

    Raises:
        UnavailableError: PostgreSQL or Mosquitto is not installed, or the centre did not come up.
    """
    settings = {
        "PATROL_CENTRAL_HOTLINE_FILE": "{folder}/hotline.toml",
        "PATROL_CENTRAL_WEBHOOK_NETWORKS": "127.0.0.0/8",
        "PATROL_CENTRAL_LEASE_SECONDS": "1800",
    }
    logins = [device.name for device in script.devices if not device.http]
    with ExitStack() as stack:
        made = stack.enter_context(
            centre(
                folder,
                hours=script.hours,
                speed=speed,
                database=database,
                logins=logins,
                settings=settings,
                files={"hotline.toml": hotline.FILE},
            )
        )
        stage = Stage(made)
        _people(stage)
        _rules()
        device_keys = devices.register(list(script.devices), JURISDICTION)
        codes = shops.register(list(script.shops), JURISDICTION)
        from central.cases.apikeys import add_key

        key = add_key(CITY_KEY, JURISDICTION, ["open", "read"], per_minute=6000)
        add_key(HUB_KEY, JURISDICTION, ["read", "webhook"])
        receiver = Hub()
        stack.callback(receiver.close)
        receiver.start()
        hub.subscribe(receiver, HUB_KEY)
        up(stack, made)
        yield World(stage, receiver, key, device_keys, codes)


def _people(stage: Stage) -> None:
    from shapely.geometry import MultiPolygon, box

    from central.dispatch import rosters
    from central.grids import services as grids
    from central.grids.reading import Entry, GridRow
    from central.people.services import add_user

    made = stage.centre
    rows = [GridRow(code="d", name="模拟区", level=1, parent=None), GridRow(code="s", name="模拟街道", level=2, parent="d"),
            GridRow(code="c", name="模拟社区", level=3, parent="s")]  # fmt: skip
    entries = [Entry(n, row, None) for n, row in enumerate(rows)]
    for number, name in enumerate(NAMES):
        row = GridRow(code=f"g{number + 1}", name=name, level=4, parent="c")
        entries.append(Entry(len(entries), row, MultiPolygon([box(*box_of(number))])))
    grids.store(JURISDICTION, entries)
    add_user("admin", "administrator", password=PASSWORD, full_name="管理员")
    for name, role in STAFF:
        user = add_user(name, role, scope=JURISDICTION, full_name=name)
        stage.staff[name] = session(user), user.pk
    for number in range(city.OFFICERS):
        user = add_user(f"officer{number}", "officer", scope=JURISDICTION, full_name=f"officer{number}")
        made.users[number], made.cookies[number] = user.pk, session(user)
    now = made.clock.utc_ms()
    rosters.store(
        JURISDICTION,
        [rosters.Wanted(f"officer{number}", now, now + 23 * HOUR) for number in range(city.OFFICERS)],
    )


def _rules() -> None:
    """An answer is due within minutes, as nobody could put it off to the fifth working day of an hour."""
    from django.conf import settings

    from central.cases import catalogue, versions

    text = catalogue.text_of(residents.SERVICE, settings.PATROL.services_folder)
    shipped = 'amount = 5\nunit = "working_days"\nwarn_after = 3\n'
    if text.count(shipped) != 1:
        raise AssertionError("the shipped rules of residents_voice have another reply clock")
    mine = f'amount = {residents.REPLY_MS // 60_000}\nunit = "minutes"\nwarn_after = {residents.WARN_MS // 60_000}\n'
    versions.put(text.replace(shipped, mine), JURISDICTION, reason="one hour", author="cli:bench")
