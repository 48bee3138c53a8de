"""The page behind the link: what it shows in each state, to whom, and what it never shows."""

from __future__ import annotations

import io
import os
import re

import pytest
from PIL import Image

from central.bays.models import Reservation
from central.bays.services import offer_for_case
from central.cases.pictures import check, store
from central.cases.services import name_evidence, tie_pictures
from tests.central.bays.plan import ON_SQLITE, at, bay
from tests.central.driver.street import EXPIRES, PLACE, Phone, answer, tell, token, warn
from tests.central.street import BOX, MINUTE, NOON, picture, record, reference, retraction, task


@pytest.fixture
def phone(centre, agent):
    warn(agent)
    return Phone(f"/n/{token()}")


def test_a_warned_driver_sees_place_deadline_and_a_masked_plate(phone):
    page = phone.look()
    assert page.status_code == 200
    assert "Please move your vehicle" in phone.text
    assert "三里河路12号北门人行道" in phone.text
    assert re.search(r"<time[^>]*>12:10</time>|<time[^>]*>\d\d:10</time>", phone.text)
    assert "京A***45" in phone.text
    assert "京A12345" not in phone.text
    assert "10 minutes left" in phone.text


@ON_SQLITE
def test_it_speaks_the_browsers_language_and_can_be_switched(phone, centre):
    assert Phone(phone.path, "zh-CN").look().content.decode().count("请尽快挪车") == 1
    assert 'lang="zh-Hans"' in Phone(phone.path, "zh-TW,zh;q=0.9").look().content.decode()
    assert "Please move" in Phone(phone.path, "en-GB").look().content.decode()
    phone.look("?lang=zh")
    assert "请尽快挪车" in phone.text
    assert phone.page["Content-Language"] == "zh-hans"
    phone.look("?lang=xx")
    assert "Please move" in phone.text


@ON_SQLITE
def test_nobody_else_learns_anything(phone):
    page = phone.look()
    assert page["Referrer-Policy"] == "no-referrer"
    assert "noindex" in page["X-Robots-Tag"]
    assert page["Cache-Control"] == "private, no-store"
    policy = page["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    for address in re.findall(r'href="(http[^"]+)"', phone.text):
        assert token() not in address
        assert "c1" not in address
    # Everything else comes from here: no tile server, no font, no counter.
    assert not re.search(r'(?:src|action)="(?:https?:)?//', phone.text)
    assert not re.search(r"<script(?![^>]* src=)| on\w+=| style=", phone.text)


def test_bays_are_listed_with_their_distance_and_ways_to_get_there(phone, agent):
    from central.cases.models import Case

    for name, east in (("B1", 40), ("B2", 90), ("B3", -150), ("B4", 400)):
        bay(name, at(east, 0), name=f"三里河 {name}")
    case = Case.objects.get()
    offer_for_case(case, vehicle_class="car", position=PLACE, until_ms=NOON + 10 * MINUTE)
    phone.look()
    assert re.findall(r"<b>(三里河 B\d)</b>", phone.text) == ["三里河 B1", "三里河 B2", "三里河 B3"]
    assert re.findall(r"(\d+) m on foot", phone.text) == ["50", "120", "200"]
    assert phone.text.count("Kept for you until") == 1
    for app in ("uri.amap.com", "api.map.baidu.com", "maps.apple.com", "www.google.com/maps", "geo:39."):
        assert phone.text.count(app) >= 3
    assert "<svg viewBox" in phone.text
    assert re.findall(r'<text x="[\d.]+" y="[\d.]+" dy="6.5">(\d)</text>', phone.text) == ["1", "2", "3"]


def test_looking_holds_releases_and_asks_nothing(phone, agent, django_assert_no_writes):
    bay("B1", at(40, 0))
    with django_assert_no_writes():
        phone.look()
        phone.client.head(phone.path)
        phone.client.get(f"{phone.path}/picture.jpg")
    assert Reservation.objects.count() == 0


def test_without_bays_or_position_the_page_still_says_what_to_do(phone, agent):
    from central.cases.models import Case

    phone.look()
    assert "No bay nearby is known to be free" in phone.text
    Case.objects.update(longitude=None, latitude=None)
    bay("B1")
    phone.look()
    assert "No bay nearby is known to be free" in phone.text
    assert phone.press("bay").status_code == 303


def test_another_bay_lets_the_first_go(phone, agent):
    for name, east in (("B1", 40), ("B2", 90)):
        bay(name, at(east, 0))
    phone.look()
    phone.press("bay")
    assert held() == ["B1"]
    phone.press("bay")
    assert held() == ["B2"]
    phone.press("bay")
    assert held() == ["B1"], "both were tried: the nearest again"
    assert Reservation.objects.filter(released_at_ms__isnull=True).count() == 1


def test_the_only_bay_is_not_lost_by_declining_it(phone, agent):
    bay("B1", at(40, 0))
    phone.look()
    phone.press("bay")
    phone.press("bay")
    assert held() == ["B1"]


def held() -> list[str]:
    live = Reservation.objects.filter(released_at_ms__isnull=True)
    return [each.bay.bay_id for each in live.select_related("bay")]


def arrive(case, agent, data: bytes, box=BOX) -> None:
    """The confirm picture is named and has arrived."""
    ref = reference(data, "confirm", NOON - MINUTE).model_copy(update={"box": box})
    from central.cases.models import Picture

    name_evidence(case, agent, (ref,))
    size, thumbnail = check(data, ref.sha256)
    store(data, thumbnail, ref.sha256)
    Picture.objects.create(
        agent=agent,
        sha256=ref.sha256,
        size=len(data),
        width=size.width,
        height=size.height,
        received_at_ms=NOON,
    )
    tie_pictures(agent.pk, [ref.sha256])


def test_the_own_vehicle_is_cut_from_the_picture_as_it_was_sealed(phone, agent):
    from central.cases.models import Case

    phone.look()
    assert "The picture is on its way" in phone.text
    assert phone.client.get(f"{phone.path}/picture.jpg").status_code == 404
    arrive(Case.objects.get(), agent, picture(5, (1280, 720)), (200.0, 200.0, 500.0, 400.0))
    phone.look()
    assert f"{phone.path}/picture.jpg" in phone.text
    got = phone.client.get(f"{phone.path}/picture.jpg")
    assert got["Content-Type"] == "image/jpeg"
    assert got["Cache-Control"].startswith("private")
    assert got["Referrer-Policy"] == "no-referrer"
    with Image.open(io.BytesIO(got.content)) as image:
        wide = 300 * 1.9
        assert image.size[0] / image.size[1] == pytest.approx(wide / (200 * 1.9), rel=0.02)
        assert not image.getexif()
    again = phone.client.get(f"{phone.path}/picture.jpg", headers={"if-none-match": got["ETag"]})
    assert again.status_code == 304
    assert phone.client.get(f"{phone.path}/picture.jpg").content == got.content


def test_a_view_is_deleted_when_no_link_opens_it_and_not_before(phone, centre, agent):
    from central.cases.models import Case
    from central.cases.pictures import path_of
    from central.driver.picture import KEPT_MS, sweep, view_of

    arrive(Case.objects.get(), agent, picture(5, (1280, 720)), (200.0, 200.0, 500.0, 400.0))
    evidence = Case.objects.get().evidence.get()
    view = view_of(evidence.pk)
    assert view is not None
    # Files know the machine's time, the centre its own clock.
    os.utime(view, (NOON / 1000, NOON / 1000))
    centre.clock.set_utc(EXPIRES)
    assert sweep() == 0
    centre.clock.set_utc(NOON + KEPT_MS + 1000)
    assert sweep() == 1
    assert not view.exists()
    assert path_of(evidence.sha256).exists(), "the sealed picture is not touched"
    assert sweep() == 0
    again = view_of(evidence.pk)
    assert again is not None
    assert again.exists(), "who asks for it gets it anew"


@ON_SQLITE
@pytest.mark.parametrize("box", [None, (5000.0, 10.0, 6000.0, 20.0), (0.0, 0.0, 640.0, 360.0)], ids=str)
def test_a_box_that_makes_no_sense_shows_the_whole_picture(phone, agent, box):
    from central.cases.models import Case

    arrive(Case.objects.get(), agent, picture(6), box)
    got = phone.client.get(f"{phone.path}/picture.jpg")
    with Image.open(io.BytesIO(got.content)) as image:
        assert image.size[0] / image.size[1] == pytest.approx(640 / 360, rel=0.01)


def test_states_of_a_case(phone, centre, agent):
    phone.look()
    assert "I have left" in phone.text
    centre.clock.set_utc(NOON + 10 * MINUTE)
    phone.look()
    assert "The time is over" in phone.text
    tell(task("c1", issued_at_ms=NOON + 11 * MINUTE))
    phone.look()
    assert "An officer has been asked to come" in phone.text
    assert "I have left" in phone.text
    tell(retraction("c1", NOON + 12 * MINUTE), record("c1", "closed", NOON + 12 * MINUTE))
    phone.look()
    assert "The sidewalk is clear" in phone.text
    assert "I have left" not in phone.text


def test_who_left_in_time_is_thanked(phone, agent):
    tell(record("c1", "self_corrected", NOON + MINUTE))
    phone.look()
    assert "Thank you. The sidewalk is clear." in phone.text
    assert "<form" not in phone.text


@ON_SQLITE
@pytest.mark.parametrize("state", ["closed", "exempt"])
def test_a_case_that_ended_otherwise_is_over(phone, agent, state):
    tell(record("c1", state, NOON + MINUTE))
    phone.look()
    assert "This case is over" in phone.text


# Links that open nothing


@ON_SQLITE
def test_an_expired_link_is_kind_and_a_forged_one_tells_nothing(centre, agent):
    warn(agent)
    expired = Phone(f"/n/{token(expires_ms=NOON - MINUTE)}")
    assert expired.look().status_code == 410
    assert "This link has expired" in expired.text
    good = token()
    for bad in ("x" * 32, good[:-1] + ("A" if good[-1] != "A" else "B"), "short", good + "A"):
        forged = Phone(f"/n/{bad}")
        assert forged.look().status_code == 404
        assert "does not open anything" in forged.text
        assert "三里河路" not in forged.text


def test_a_link_dies_two_days_after_the_deadline(phone, centre):
    centre.clock.set_utc(EXPIRES - 1)
    assert phone.look().status_code == 200
    centre.clock.set_utc(EXPIRES)
    assert phone.look().status_code == 410
    for what in ("left", "wrong", "bay"):
        assert phone.client.post(f"{phone.path}/{what}", {"nonce": "x"}).status_code == 410
    assert phone.client.get(f"{phone.path}/picture.jpg").status_code == 410


def test_a_message_that_was_faster_than_its_data_is_told_to_wait(centre, agent):
    early = Phone(f"/n/{token('c9')}")
    page = early.look()
    assert page.status_code == 404
    assert page["Retry-After"] == "15"
    assert "One moment" in early.text
    warn(agent, "c9")
    assert early.look().status_code == 200


@ON_SQLITE
def test_a_flood_is_told_when_to_come_back(phone, centre):
    statuses = [phone.look().status_code for _ in range(45)]
    assert statuses.count(200) == 40
    assert set(statuses) == {200, 429}
    wait_s = int(phone.page["Retry-After"])
    assert 1 <= wait_s <= 60
    centre.clock.advance(wait_s * 1000)
    assert phone.look().status_code == 200
    # Whoever has another good link is not braked by it.
    other = Phone(f"/n/{token('c1', EXPIRES + MINUTE)}")
    assert other.look().status_code == 200


@ON_SQLITE
def test_guessing_is_braked_by_address(centre, agent):
    statuses = [Phone(f"/n/{'x' * 31}{n % 10}").look().status_code for n in range(25)]
    assert statuses.count(404) == 20
    assert statuses[-1] == 429
    warn(agent)
    assert Phone(f"/n/{token()}").look().status_code == 200


@ON_SQLITE
def test_only_get_looks_and_only_post_does(phone):
    assert phone.client.post(phone.path).status_code == 405
    phone.look()
    for what in ("left", "wrong", "bay"):
        assert phone.client.get(f"{phone.path}/{what}").status_code == 405


@ON_SQLITE
@pytest.mark.parametrize("what", ["left", "wrong", "bay"])
def test_a_form_from_elsewhere_does_nothing(phone, centre, agent, what):
    from central.driver.models import Objection, Recheck

    bay("B1")
    phone.look()
    other = Phone(f"/n/{token('c2')}")
    warn(agent, "c2")
    other.look()
    nonce = phone.nonce()
    for bad in (
        "",
        "x",
        "0.0",
        "zz.zz",
        other.nonce(),
        nonce[:-1] + ("0" if nonce[-1] != "0" else "1"),
        "é.é",
    ):
        assert phone.client.post(f"{phone.path}/{what}", {"nonce": bad}).status_code == 403
    centre.clock.advance(7 * 60 * MINUTE)
    assert phone.client.post(f"{phone.path}/{what}", {"nonce": nonce}).status_code == 403
    assert not Recheck.objects.exists()
    assert not Objection.objects.exists()
    assert not Reservation.objects.exists()


@ON_SQLITE
def test_an_oversized_or_odd_form_is_refused(phone):
    phone.look()
    huge = phone.client.post(f"{phone.path}/left", {"nonce": phone.nonce(), "x": "y" * 300_000})
    assert huge.status_code in {400, 413}
    many = phone.client.post(f"{phone.path}/left", {f"f{n}": "1" for n in range(80)})
    assert many.status_code == 400


@ON_SQLITE
def test_the_brake_of_buttons_is_its_own(phone):
    phone.look()
    done = [phone.client.post(f"{phone.path}/left", {"nonce": phone.nonce()}).status_code for _ in range(10)]
    assert done.count(303) == 8
    assert done[-1] == 429
    assert phone.look().status_code == 200


def test_after_the_answer_the_page_tells_it(phone, agent, centre):
    from central.driver.models import Recheck

    phone.look()
    phone.press("left")
    assert "The camera is looking" in phone.text
    assert '<meta http-equiv="refresh" content="5">' in phone.text
    tell(answer(Recheck.objects.get().request_id, "still_there"))
    phone.look()
    assert "The camera still sees the vehicle" in phone.text
    assert "refresh" not in phone.text
    assert "the deadline is the same" in phone.text
