"""The whistle, and the alerts that people see."""

from __future__ import annotations

import pytest
from django.core.exceptions import PermissionDenied
from django.utils import translation

from central.cases import history
from central.cases.models import Case
from central.clocks import whistle
from central.clocks.alerts import To, tell
from central.clocks.models import Alert, Clock, Whistle
from central.clocks.sweeper import ClockSweeper
from central.clocks.whistle import Call
from central.pages.words import history_line
from protocol.errors import PatrolError
from tests.central.clocks.office import MONDAY, beijing, close_case, kinds, open_case, tree
from tests.central.street import JURISDICTION, MINUTE


@pytest.fixture(autouse=True)
def monday(centre):
    centre.clock.set_utc(MONDAY)
    with translation.override("en"):
        yield


@pytest.fixture
def called(person):
    """A case to which a grid worker has called a fire inspector (the lead) and the water company."""
    case = open_case(grid=tree(person)[0])
    blower = person("blower", "grid_worker")
    fire = person("fire", "officer", scope="elsewhere")
    sounding = whistle.blow(
        case.pk, blower, [Call(user=fire, lead=True), Call("Water company")], reason="a burst main"
    )
    lead, water = sounding.parties.all()
    return case, fire, lead, water


def test_each_party_answers_within_its_own_clock_and_only_the_lead_closes(called, person, centre):
    case, fire, lead, water = called
    boss = person("boss", "dispatcher")
    assert {c.due_at_ms for c in Clock.objects.filter(kind="acknowledgement")} == {
        beijing("2026-11-23T09:30")
    }
    assert whistle.blocks_closing(case, boss) == "only Fire, who leads, closes this case"
    assert whistle.blocks_closing(case, fire) == "Fire, Water company did not acknowledge the call yet"
    centre.clock.advance(5 * MINUTE)
    whistle.acknowledge(lead.pk, fire)
    whistle.acknowledge(lead.pk, fire)
    with pytest.raises(PermissionDenied):
        whistle.acknowledge(water.pk, person("near", "officer"))
    with pytest.raises(PatrolError, match="how they know"):
        whistle.acknowledge(water.pk, boss)
    assert whistle.blocks_closing(case, fire) == "Water company did not acknowledge the call yet"
    whistle.acknowledge(water.pk, boss, "by telephone, Mr Zhou")
    assert whistle.blocks_closing(case, fire) is None
    assert whistle.blocks_closing(case, boss) is not None
    assert whistle.blocks_closing(case, None) is not None
    assert kinds(case).count("whistle_heard") == 2
    assert [c.on_time for c in Clock.objects.filter(kind="acknowledgement")] == [True, True]
    close_case(case, centre.clock.utc_ms())
    assert whistle.blocks_closing(case, boss) is None
    assert list(history.verify(history.Audit())) == []


def test_a_silent_party_is_escalated_until_it_answers_or_is_excused(called, person, centre):
    case, fire, lead, water = called
    boss = person("boss", "dispatcher")
    whistle.acknowledge(lead.pk, fire)
    centre.clock.set_utc(beijing("2026-11-23T10:00"))
    ClockSweeper("s").sweep()
    told = {
        (a.kind, a.user.username if a.user else a.role) for a in Alert.objects.filter(args__party=water.name)
    }
    assert told >= {
        ("whistle", "dispatcher"),
        ("clock_breach", "blower"),
        ("clock_breach", "dispatcher"),
        ("clock_escalated", "level3"),
    }
    with pytest.raises(PatrolError, match="lead"):
        whistle.excuse(lead.pk, boss, "no")
    whistle.excuse(water.pk, boss, "it was a private pipe")
    assert whistle.blocks_closing(case, fire) is None
    centre.clock.advance(600 * MINUTE)
    assert Clock.objects.filter(kind="acknowledgement", next_at_ms__isnull=False).count() == 0


def test_at_night_an_urgent_whistle_counts_plain_minutes(centre, person):
    centre.clock.set_utc(beijing("2026-11-23T23:00"))
    case = open_case()
    whistle.blow(
        case.pk, person("boss", "dispatcher"), [Call("Fire brigade", lead=True)], reason="x", urgent=True
    )
    assert Clock.objects.get(kind="acknowledgement").due_at_ms == beijing("2026-11-23T23:30")


def test_a_closed_case_ends_its_whistle_and_nobody_answers_any_more(called, centre):
    case, fire, lead, _ = called
    close_case(case, centre.clock.utc_ms())
    assert not Clock.objects.filter(stopped_at_ms__isnull=True).exists()
    with pytest.raises(PatrolError, match="ended"):
        whistle.acknowledge(lead.pk, fire)


def test_calls_that_make_no_sense_are_refused(person):
    case, boss = open_case(), person("boss", "dispatcher")
    lead = Call("Fire", lead=True)
    for calls, reason in (
        ([], "x"),
        ([Call("Fire")], "x"),
        ([lead, Call("Water", lead=True)], "x"),
        ([lead, Call("Fire")], "x"),
        ([lead, Call()], "x"),
        ([lead], " "),
    ):
        with pytest.raises(PatrolError):
            whistle.blow(case.pk, boss, calls, reason=reason)
    with pytest.raises(PermissionDenied):
        whistle.blow(case.pk, person("officer"), [lead], reason="x")
    with pytest.raises(Case.DoesNotExist):
        whistle.blow(case.pk, person("far", "dispatcher", scope="elsewhere"), [lead], reason="x")
    assert not Whistle.objects.exists()
    whistle.blow(case.pk, boss, [lead], reason="x")
    with pytest.raises(PatrolError, match="already"):
        whistle.blow(case.pk, boss, [lead], reason="x")


def test_alerts_are_seen_by_those_they_are_for_and_noted_once(person, browse, called, centre):
    _, fire, lead, _ = called
    near, other, far = (
        person("near", "dispatcher", scope=JURISDICTION),
        person("other", "dispatcher"),
        person("far", "dispatcher", scope="elsewhere"),
    )
    tell(
        JURISDICTION,
        [To(role="dispatcher")],
        key="once",
        kind="missing_year",
        at_ms=1,
        year=2027,
        jurisdiction="x",
    )
    tell(
        JURISDICTION,
        [To(role="dispatcher")],
        key="once",
        kind="missing_year",
        at_ms=2,
        year=2027,
        jurisdiction="x",
    )
    alert = Alert.objects.get(kind="missing_year")
    assert alert.at_ms == 1
    mine = browse(fire)
    page = mine.get("/alerts/").content.decode()
    assert "Blower calls you to a case" in page
    assert "Blower calls Fire: a burst main" in page
    assert "no days off for 2027" not in page
    assert mine.post(f"/whistles/{lead.pk}/acknowledge/").status_code == 302
    assert "calls you to a case" not in mine.get("/alerts/").content.decode()
    assert browse(far).post(f"/alerts/{alert.pk}/read/").status_code == 404
    assert browse(far).post(f"/whistles/{lead.pk}/acknowledge/").status_code == 404
    assert browse(far).get("/alerts/count/").content.strip() == b""
    assert b">2<" in browse(other).get("/alerts/count/").content, "the missing year, and the water company"
    htmx = {"HTTP_HX_REQUEST": "true"}
    answer = browse(near).post(f"/alerts/{alert.pk}/read/", **htmx)
    assert answer["HX-Trigger"] == "alerts-changed"
    assert "<html" not in answer.content.decode()
    browse(other).post(f"/alerts/{alert.pk}/read/")
    alert.refresh_from_db()
    assert alert.read_by == near
    assert "read by Near" in browse(other).get("/alerts/?show=all").content.decode()
    assert browse(near).get(f"/alerts/{alert.pk}/read/").status_code == 405
    assert browse().get("/alerts/").status_code == 302


def test_every_kind_of_alert_and_entry_reads_well_in_both_languages(called, browse, centre, person):
    case, *_ = called
    boss = person("boss", "dispatcher")
    centre.clock.set_utc(beijing("2026-12-14T10:00"))
    ClockSweeper("s").sweep()
    client = browse(boss)
    english = "\n".join(
        f"{line['title']}: {line['detail']}" for line in map(history_line, case.history.all())
    )
    for words in (
        "Deadline set: Reply · due November 26 17:30",
        "Deadline missed: Acknowledgement (Water company)",
        "Taken to the grid above: Resolution · Grid 3 (g3)",
        "Whistle: others are called to the case: Fire, Water company · a burst main",
    ):
        assert words in english
    assert "Reply is late: it was due at November 26 17:30." in client.get("/alerts/").content.decode()
    client.cookies["patrol_language"] = "zh-hans"
    page = client.get("/alerts/").content.decode()
    for words in ("答复已超期：应于 11月26日 17:30 前完成", "应哨 (Water company)已超期", "知道了"):
        assert words in page
    with translation.override("zh-hans"):
        assert whistle.blocks_closing(case, boss) == "本案由Fire牵头，只有牵头方可以办结"
        chinese = [history_line(entry)["detail"] for entry in case.history.filter(kind="clock_started")]
        assert "答复 · 11月26日 17:30 到期" in chinese
