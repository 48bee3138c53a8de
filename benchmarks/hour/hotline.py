"""Callers of the hotline, those who take their calls, and what was promised to them."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import requests

from benchmarks.centre import ZONE
from benchmarks.hour.ground import MINUTE
from benchmarks.hour.stage import Life, Stage, StoryError
from benchmarks.hour.tally import Tally
from benchmarks.published import Row, one, read_csv, read_page

SERVICE = "hotline_matter"
FILE = "return_visit_hours = 48\nretry_minutes = 1\n"

Fate = Literal["alone", "at_once", "returned", "fixed", "not_fixed", "open"]
"""alone: the call is kept without a case. at_once: answered on the telephone. returned: not ours. fixed, not_fixed: handled, and
so ended. open: accepted and not ended yet."""

Promise = Literal["", "kept", "missed", "not_reached", "taken_back"]
"""A call-back: made in time, made late, given up after two tries, or not needed any more."""

Visit = Literal["", "found", "not_found", "nobody_there"]
Asked = Literal["", "answered", "late"]
"""Supervision of an open case: the account is given in time, or late."""

Return = Literal["", "satisfied", "basically", "unsatisfied", "reopens", "second_try", "unreachable"]
"""A return visit; reopens: not satisfied, and the case is opened again. Empty: nobody has rung yet."""

SUBJECTS = ("noise", "lift", "water", "power", "heating", "property", "parking")
TEXT = "来电人反映问题，请尽快派人处理"


@dataclass(frozen=True, slots=True)
class Ring:
    """One call and what follows from it.

    Attributes:
        number: from 0. at_ms: when it is taken.
        subject: its code.
        fate: what becomes of its case.
        named: whether the number is known; without one there is no return visit.
        confidential: whether it is told in confidence.
        twice: whether the form is sent twice.
        joins: how many later calls are about the same case.
        promise, visit, asked, back: see above.
    """

    number: int
    at_ms: int
    subject: str
    fate: Fate
    named: bool
    confidential: bool
    twice: bool
    joins: int
    promise: Promise = ""
    visit: Visit = ""
    asked: Asked = ""
    back: Return = ""

    @property
    def phone(self) -> str:
        """The caller's."""
        return f"139{self.number:08d}" if self.named else ""

    @property
    def place(self) -> str:
        """In words: a caller has no map."""
        return f"幸福里{self.number + 1}号"


def write(dice: random.Random, count: int, arriving_ms: int) -> list[Ring]:
    """Calls by the dice."""
    found = []
    for number, at_ms in enumerate(sorted(dice.randrange(arriving_ms) for _ in range(count))):
        fate: Fate = dice.choices(
            ("alone", "at_once", "returned", "fixed", "not_fixed", "open"), (20, 22, 8, 28, 10, 12)
        )[0]
        named = dice.random() < 0.9
        open_ = fate in {"fixed", "not_fixed", "open"}
        ended = fate in {"at_once", "fixed", "not_fixed"}
        returns: tuple[Return, ...] = (
            "", "satisfied", "basically", "unsatisfied", "reopens", "second_try", "unreachable",
        )  # fmt: skip
        promises: tuple[Promise, ...] = ("", "kept", "missed", "not_reached", "taken_back")
        visits: tuple[Visit, ...] = ("", "found", "not_found", "nobody_there")
        accounts: tuple[Asked, ...] = ("", "answered", "late")
        found.append(
            Ring(
                number=number,
                at_ms=at_ms,
                subject=dice.choice(SUBJECTS),
                fate=fate,
                named=named,
                confidential=dice.random() < 0.1,
                twice=dice.random() < 0.1,
                joins=dice.choices((0, 1, 2), (80, 15, 5))[0] if open_ else 0,
                promise=dice.choices(promises, (64, 16, 10, 6, 4))[0],
                visit=dice.choices(visits, (70, 15, 9, 6))[0] if open_ else "",
                asked=dice.choices(accounts, (70, 18, 12))[0] if open_ else "",
                back=dice.choices(returns, (18, 34, 14, 10, 10, 8, 6))[0] if ended and named else "",
            )
        )
    return found


def count(rings: list[Ring], tally: Tally) -> None:
    """The figures of these calls."""
    figures = tally.figures
    for name in FIGURES:
        figures[f"hotline.{name}"] += 0
    for ring in rings:
        figures["hotline.calls_in"] += 1 + ring.joins
        figures["hotline.calls_without_case"] += ring.fate == "alone"
        figures["hotline.calls_out"] += {"kept": 1, "missed": 1, "not_reached": 2}.get(ring.promise, 0)
        figures["hotline.call_backs_done"] += ring.promise in {"kept", "missed", "not_reached"}
        figures["hotline.call_backs_on_time"] += ring.promise in {"kept", "not_reached"}
        figures["hotline.visits_done"] += ring.visit != ""
        figures["hotline.supervisions_answered"] += ring.asked != ""
        figures["hotline.supervisions_on_time"] += ring.asked == "answered"
        if ring.back:
            figures["hotline.calls_out"] += 1 + (ring.back == "second_try")
            figures["hotline.asked"] += 1
            figures["hotline.reached"] += ring.back != "unreachable"
            said = {"reopens": "unsatisfied", "second_try": "satisfied"}.get(ring.back, ring.back)
            figures[f"hotline.{said}"] += 1
        if ring.fate == "alone":
            continue
        steps, ending = {
            "at_once": ("c", "fixed"),
            "returned": ("c", "refused"),
            "fixed": ("mmmmc", "fixed"),
            "not_fixed": ("mmmmc", "not_fixed"),
            "open": ("mm", ""),
        }[ring.fate]
        if ring.back == "reopens":
            steps, ending = steps + "r", ""
        tally.case(SERVICE, steps, ending)
        if ring.named:
            # Told of: received, being handled, the end; or returned. Who is answered at once was told on the telephone.
            tally.told.append({"at_once": 1, "returned": 2, "fixed": 3, "not_fixed": 3, "open": 1}[ring.fate])
        figures["hotline.opened"] += 1
        figures["hotline.closed"] += bool(ending)
        figures["hotline.fixed"] += ending == "fixed"
        figures["hotline.not_fixed"] += ending == "not_fixed"
        figures["hotline.reopened"] += ring.back == "reopens"


FIGURES = (
    "calls_in", "calls_out", "calls_without_case", "opened", "closed", "fixed", "not_fixed", "reopened", "asked", "reached",
    "satisfied", "basically", "unsatisfied", "unreachable", "call_backs_done", "call_backs_on_time", "visits_done",
    "supervisions_answered", "supervisions_on_time", "city_orders", "city_returned", "city_finished",
)  # fmt: skip


def lives(rings: list[Ring], stage: Stage) -> Iterator[tuple[str, Life]]:
    """What happens to each."""
    for ring in rings:
        yield f"call {ring.number} ({ring.fate})", _live(ring, stage)
        if ring.promise:
            yield f"call-back of call {ring.number} ({ring.promise})", _call_back(ring, stage)


def _key(ring: Ring, other: int = 0) -> str:
    return str(uuid.UUID(int=0x4400 * 10**12 + ring.number * 100 + other))


def _live(ring: Ring, stage: Stage) -> Life:
    yield ring.at_ms
    call = _take(stage, ring, "call" if ring.fate == "alone" else "case")
    if ring.fate == "alone":
        return
    case = call.case_id
    if ring.fate in {"at_once", "returned"}:
        yield ring.at_ms + MINUTE
        name, given = (
            ("answer", {"reply": "已当场答复"})
            if ring.fate == "at_once"
            else ("give_back", {"reason": "不属于本地"})
        )
        stage.step("dispatcher0", case, name, **given)
    else:
        yield ring.at_ms + MINUTE
        stage.step("dispatcher0", case, "accept")
        for number in range(ring.joins):
            yield ring.at_ms + 2 * MINUTE + number * MINUTE // 2
            _take(stage, ring, "case", number + 1, case)
        yield ring.at_ms + 3 * MINUTE
        stage.step("dispatcher0", case, "assign", department="community")
        if ring.visit:
            yield from _visit(ring, stage, case)
        if ring.asked:
            yield from _supervision(ring, stage, case)
        if ring.fate == "open":
            return
        yield stage.now_ms + MINUTE
        stage.step("worker0", case, "begin")
        yield stage.now_ms + 3 * MINUTE
        stage.step("worker0", case, "report", reply="已经处理")
        yield stage.now_ms + MINUTE
        name, given = ("confirm", {}) if ring.fate == "fixed" else ("explain", {"reply": "暂时解决不了"})
        stage.step("dispatcher0", case, name, **given)
    if ring.back:
        yield stage.now_ms + 2 * MINUTE
        yield from _return_visit(ring, stage, case)


def _take(stage: Stage, ring: Ring, then: str, other: int = 0, join: int | None = None) -> Any:
    from central.hotline.models import Call

    key = _key(ring, other)
    given = {
        "key": key, "began": str(stage.utc_ms(ring.at_ms) - MINUTE), "j": stage.jurisdiction, "phone": ring.phone,
        "name": "某先生" if ring.named else "", "subject": ring.subject, "place": ring.place, "text": TEXT, "then": then,
        "direction": "in",
    }  # fmt: skip
    if ring.confidential:
        given["confidential"] = "on"
    if join is not None:
        given["join"] = str(join)
    for _ in range(2 if ring.twice else 1):
        stage.act("dispatcher0", "/hotline/new/", given)
    return Call.objects.unscoped("a benchmark reads all of its own centre").get(key=key)


def _call_back(ring: Ring, stage: Stage) -> Life:
    """Promised with the call, for a quarter of an hour later."""
    from central.hotline.models import Call, Errand

    yield ring.at_ms + MINUTE
    calls = Call.objects.unscoped("a benchmark reads all of its own centre")
    call = yield from stage.until("the call is stored", lambda: calls.filter(key=_key(ring)).first())
    key, due = str(uuid.uuid4()), ring.at_ms + 15 * MINUTE
    given = {"key": key, "due": _local(stage, due), "what": "回电告知结果"}
    for _ in range(2 if ring.twice else 1):
        stage.act("dispatcher0", f"/hotline/calls/{call.pk}/call-back/", given)
    errand = Errand.objects.unscoped("a benchmark reads all of its own centre").get(key=f"back/{key}")
    if ring.promise == "taken_back":
        yield ring.at_ms + 6 * MINUTE
        stage.act("dispatcher0", f"/hotline/due/{errand.pk}/cancel/", {"note": "来电人说不用了"})
        return
    if ring.promise == "not_reached":
        yield ring.at_ms + 4 * MINUTE
        _finish(stage, "dispatcher0", errand.pk, "unreachable")
        yield ring.at_ms + 7 * MINUTE
        _finish(stage, "dispatcher0", errand.pk, "unreachable", last="on")
        return
    yield ring.at_ms + (6 if ring.promise == "kept" else 24) * MINUTE
    _finish(stage, "dispatcher0", errand.pk, "reached", note="已告知")


def _visit(ring: Ring, stage: Stage, case: int) -> Life:
    from central.hotline.models import Errand

    key = str(uuid.uuid4())
    given = {
        "key": key, "kind": "visit", "person": str(stage.staff["worker0"][1]), "what": "上门看看",
        "due": _local(stage, stage.now_ms + 60 * MINUTE),
    }  # fmt: skip
    stage.act("dispatcher0", f"/cases/{case}/hotline/ask/", given)
    errand = Errand.objects.unscoped("a benchmark reads all of its own centre").get(key=f"ask/{key}")
    yield stage.now_ms + 2 * MINUTE
    last = {"last": "on"} if ring.visit == "nobody_there" else {}
    _finish(stage, "worker0", errand.pk, ring.visit, note="看过了", **last)


def _supervision(ring: Ring, stage: Stage, case: int) -> Life:
    from central.hotline.models import Errand

    key, due = str(uuid.uuid4()), stage.now_ms + 10 * MINUTE
    given = {
        "key": key, "kind": "supervision", "person": str(stage.staff["worker0"][1]), "what": "为什么还没有办",
        "due": _local(stage, due),
    }  # fmt: skip
    stage.act("dispatcher1", f"/cases/{case}/hotline/ask/", given)
    errand = Errand.objects.unscoped("a benchmark reads all of its own centre").get(key=f"ask/{key}")
    yield due + (-8 if ring.asked == "answered" else 6) * MINUTE
    _finish(stage, "worker0", errand.pk, "answered", note="正在等配件")


def _return_visit(ring: Ring, stage: Stage, case: int) -> Life:
    from central.hotline.models import Errand

    errand = Errand.objects.unscoped("a benchmark reads all of its own centre").get(
        case=case, kind="return_visit", round=0
    )
    if ring.back == "second_try":
        _finish(stage, "dispatcher1", errand.pk, "unreachable")
        yield stage.now_ms + 3 * MINUTE
    result = {"reopens": "unsatisfied", "second_try": "satisfied"}.get(ring.back, ring.back)
    more = {"reopens": {"reopens": "on"}, "unreachable": {"last": "on"}}.get(ring.back, {})
    note = {"note": "问题还在"} if result == "unsatisfied" else {}
    _finish(stage, "dispatcher1", errand.pk, result, **note, **more)


def _finish(stage: Stage, person: str, errand: int, result: str, **given: str) -> None:
    """Say what came of it; the page answers alike whether it was taken, so the errand is looked at."""
    from central.hotline.models import Errand

    rows = Errand.objects.unscoped("a benchmark reads all of its own centre").filter(pk=errand)
    before = rows.get().tries
    stage.act(person, f"/hotline/due/{errand}/finish/", {"key": str(uuid.uuid4()), "result": result, **given})
    after = rows.get()
    if after.tries != before + 1 or after.result != result:
        raise StoryError(f"errand {errand} was not finished as {result}")


def _local(stage: Stage, at_ms: int) -> str:
    """As a field of date and time gives it, to the second."""
    at = datetime.fromtimestamp(stage.utc_ms(at_ms) / 1000, ZONE)
    return at.strftime("%Y-%m-%dT%H:%M:%S")


def published(stage: Stage, web: requests.Session, tally: Tally) -> Iterator[Row]:
    """The page of figures and its table."""
    true = tally.of("hotline")
    table = {
        row["figure"]: row["count"] for row in read_csv(web, f"{stage.centre.url}/hotline/figures.csv?days=1")
    }
    page = read_page(web, f"{stage.centre.url}/hotline/figures/?days=1")
    from django.utils.translation import override

    from central.hotline.figures import DEFINITIONS

    with override("en"):
        words = {name: str(text) for name, text in DEFINITIONS.items()}
    yield one(
        "figures that only one side has", sorted((table.keys() - {"from_ms", "to_ms"}) ^ true.keys()), []
    )
    for name in DEFINITIONS:
        cell = next((row[1] for row in page.rows if row[0] == words[name]), "")
        said = table[name] if cell == table[name] else f"{cell or 'nothing'} (CSV: {table[name]})"
        yield Row(name, said, str(true[name]), said == str(true[name]))
