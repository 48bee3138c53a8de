"""The script of `patrol bench hour`, its truth, and the receiver that checks what it is told; the hour itself is a benchmark."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.hour import city, devices, hotline, hub, residents
from benchmarks.hour.ground import PLACES, box_of, spot
from benchmarks.hour.script import Sizes, count, write
from benchmarks.hour.tally import Tally
from central.cases.alike import Report, metres
from central.webhooks import signing
from protocol.errors import PatrolError

SIZES = Sizes(matters=25, calls=25, devices=25, requests=25, shops=25)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from((0.2, 1.0, 8.0)))
def test_what_closes_and_is_not_opened_again_is_closed_at_the_end(seed: int, hours: float) -> None:
    script = write(seed=seed, hours=hours, sizes=SIZES)
    assert write(seed=seed, hours=hours, sizes=SIZES) == script
    more = write(seed=seed, hours=hours, sizes=Sizes(25, 40, 25, 25, 25))
    assert (more.matters, more.devices, more.requests) == (script.matters, script.devices, script.requests)
    tally = count(script)
    for service in tally.cases:
        happened = {
            event: sum(n for (of, _grid, what), n in tally.events.items() if (of, what) == (service, event))
            for event in ("case.opened", "case.closed", "case.reopened")
        }
        closed = sum(n for (of, _ending), n in tally.endings.items() if of == service)
        assert happened["case.closed"] - happened["case.reopened"] == closed <= happened["case.opened"]
    voice, calls, iot, app = (tally.of(part) for part in ("voice", "hotline", "iot", "city"))
    assert voice["matters"] == len(script.matters) == tally.cases[residents.SERVICE] - voice["merged"]
    assert voice["fixed"] <= voice["closed"] <= voice["replied"] <= voice["matters"]
    assert calls["asked"] == calls["reached"] + calls["unreachable"]
    assert calls["reached"] == calls["satisfied"] + calls["basically"] + calls["unsatisfied"]
    assert calls["calls_in"] - calls["calls_without_case"] >= calls["opened"] == tally.cases[hotline.SERVICE]
    assert iot["raised"] == sum(n for name, n in iot.items() if name.startswith("raised "))
    assert iot["raised"] == sum(n for name, n in iot.items() if name.startswith("ended "))
    assert tally.cases[devices.SERVICE] <= iot["with_case"] <= iot["raised"]
    assert app["posted"] == app["open"] + app["closed"] == tally.cases[city.SERVICE]


def test_an_hour_that_was_counted_by_hand() -> None:
    tally = Tally()
    residents.count(
        [
            residents.Matter(0, 0, 0, True, False, True, same=1, joins=2, fate="solved", stars=(5, 2)),
            residents.Matter(1, 0, 1, False, True, False, same=0, joins=0, fate="late", again=True),
            residents.Matter(2, 0, 2, True, False, False, same=0, joins=0, fate="silent"),
            residents.Matter(3, 0, 3, True, False, False, same=0, joins=0, fate="refused"),
        ],
        tally,
    )
    voice = tally.of("voice")
    assert (voice["received"], voice["merged"], voice["matters"], voice["me_too"]) == (5, 1, 4, 2)
    assert (voice["replied"], voice["replied_late"], voice["escalated"], voice["reopened"]) == (3, 2, 2, 1)
    assert (voice["closed"], voice["fixed"], voice["closed_after_table"]) == (2, 1, 0)
    assert (voice["ratings"], voice["stars"]) == (2, 7)
    assert {ending: n for (_s, ending), n in tally.endings.items()} == {"fixed": 1, "merged": 1, "refused": 1}
    devices.count(
        [
            devices.Device(number, 0, kind, False, False, True)  # type: ignore[arg-type]
            for number, kind in enumerate(("flapping", "leak", "battery", "calm"))
        ],
        tally,
    )
    iot = tally.of("iot")
    assert (iot["raised"], iot["live"], iot["unheeded"], iot["flapping"], iot["with_case"]) == (7, 1, 4, 1, 6)
    assert tally.cases[devices.SERVICE] == 3


def test_no_two_places_are_near_enough_to_be_taken_for_one_and_each_lies_in_its_grid() -> None:
    spots = [spot(number) for number in range(PLACES)]
    reports = [Report(each.number, 0, each.longitude, each.latitude) for each in spots]
    assert min(metres(reports[0], other) or 0 for other in reports[1:]) > 300
    assert len({(each.longitude, each.latitude) for each in spots}) == PLACES
    for each in spots:
        west, south, east, north = box_of(int(each.grid[1]) - 1)
        assert west < each.longitude < east
        assert south < each.latitude < north
    with pytest.raises(PatrolError):
        write(seed=1, hours=1, sizes=Sizes(PLACES + 1, 1, 1, 1, 1))


def test_the_receiver_refuses_forged_messages_and_notices_changed_ones() -> None:
    secret = b"s" * 32
    receiver = hub.Hub()
    try:
        receiver.secrets["all"] = signing.shown(secret)

        def send(number: str, case: int, key: bytes = secret) -> int:
            body = json.dumps(
                {"type": "case.opened", "timestamp": "t", "data": {"case": {"id": case}}}
            ).encode()
            return receiver._take("all", signing.headers(number, 0, body, [key]), body)

        answers = {n: [send(f"msg_{n}", n) for _ in range(3)] for n in range(60)}
        assert {answer[0] for answer in answers.values()} == {204, 500, 0}, "it fails now and then"
        assert {answer[2] for answer in answers.values()} == {204}, "but for none for ever"
        heard = receiver.heard["all"]
        assert (heard.forged, heard.changed, len(heard.bodies)) == (0, 0, 60)
        assert send("msg_1", 1, key=b"x" * 32) == 401
        assert send("msg_1", 2) == 204
        assert (heard.forged, heard.changed) == (1, 1)
    finally:
        receiver._server.server_close()
