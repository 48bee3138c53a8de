"""Residents who say something on the public page, and those who answer them."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import requests

from benchmarks.hour.ground import MINUTE, Spot, spot
from benchmarks.hour.stage import TIMEOUT_S, Life, Stage, StoryError, photo
from benchmarks.hour.tally import Tally
from benchmarks.published import Published, Row, one, read_csv, read_page

SERVICE = "residents_voice"
REPLY_MS = 20 * MINUTE
"""How soon an answer is due in this hour; the shipped rules say five working days, which no hour breaks."""

WARN_MS = 12 * MINUTE

Fate = Literal["solved", "explained", "refused", "working", "silent", "late", "taken"]
"""solved, explained: answered in time and ended so. refused: not taken up. working: answered in time, not ended yet. silent:
nobody answers, it lies at the round table. late: nobody answers, the table meets, and it is solved then. taken: a dispatcher
takes it to the table before an answer is due, and the table meets in time."""

WHAT = (
    ("repairs", "楼道里的路灯不亮了，晚上上下楼看不清台阶"),
    ("clean", "垃圾桶旁边堆了很多旧家具，三天没有人清理"),
    ("noise", "楼下的空调外机整夜响，老人睡不好觉"),
    ("parking", "消防通道被私家车占了，救护车开不进来"),
    ("safety", "有人把电动车推进楼道里充电，电线拖在地上"),
    ("green", "花坛里的树倒了一棵，压在人行道上面"),
    ("dispute", "物业一个月没有打扫电梯，去问也没人理"),
)


@dataclass(frozen=True, slots=True)
class Matter:
    """One matter and everybody who tells of it.

    Attributes:
        number: from 0. at_ms: when it is told first.
        what: which of `WHAT`.
        named: whether a telephone number is left.
        photo: whether a photo is sent.
        twice: whether the form is sent twice.
        same: how many others tell the same in words of their own form, and are put together with it.
        joins: how many join it with "me too".
        fate: what becomes of it.
        by_reporter: whether the resident confirms that it is solved, else a dispatcher.
        stars: what each of those who rate it gives; the first is who told of it, then who joined.
        again: whether it is opened again after its end; such a matter stays open.
    """

    number: int
    at_ms: int
    what: int
    named: bool
    photo: bool
    twice: bool
    same: int
    joins: int
    fate: Fate
    by_reporter: bool = False
    stars: tuple[int, ...] = ()
    again: bool = False

    @property
    def spot(self) -> Spot:
        """Where it is."""
        return spot(self.number)

    @property
    def phone(self) -> str:
        """Of whoever tells of it; those who come after have the next numbers."""
        return f"138{self.number:06d}00"

    @property
    def text(self) -> str:
        """What is written."""
        return WHAT[self.what][1]


def write(dice: random.Random, count: int, arriving_ms: int) -> list[Matter]:
    """Matters by the dice."""
    found = []
    for number, at_ms in enumerate(sorted(dice.randrange(arriving_ms) for _ in range(count))):
        fate: Fate = dice.choices(
            ("solved", "explained", "refused", "working", "silent", "late", "taken"),
            (38, 10, 10, 12, 10, 12, 8),
        )[0]
        what = dice.randrange(len(WHAT))
        ends = fate in {"solved", "explained", "late"}
        joins = dice.choices((0, 1, 2), (70, 20, 10))[0] if fate != "refused" else 0
        rated = ends and dice.random() < 0.5
        again = ends and not rated and dice.random() < 0.3
        found.append(
            Matter(
                number=number,
                at_ms=at_ms,
                what=what,
                named=WHAT[what][0] == "dispute" or dice.random() < 0.7,
                photo=dice.random() < 0.2,
                twice=dice.random() < 0.15,
                same=dice.choices((0, 1, 2), (75, 18, 7))[0],
                joins=joins,
                fate=fate,
                by_reporter=fate == "solved" and dice.random() < 0.4,
                stars=tuple(dice.randint(1, 5) for _ in range(1 + dice.randint(0, joins))) if rated else (),
                again=again,
            )
        )
    return found


def count(matters: list[Matter], tally: Tally) -> None:
    """The figures of these matters."""
    figures = tally.figures
    for one_ in matters:
        grid = one_.spot.grid
        escalated = one_.fate in {"silent", "late", "taken"}
        steps = {
            "solved": "mmmmc", "explained": "mmmmc", "refused": "c", "working": "mmm",
            "silent": "mm", "late": "mmmmc", "taken": "mmm",
        }[one_.fate]  # fmt: skip
        ending = {"solved": "fixed", "late": "fixed", "explained": "not_fixed", "refused": "refused"}.get(
            one_.fate, ""
        )
        if one_.stars:
            steps += "m"  # the first rating moves it, later ones are only noted
        if one_.again:
            steps, ending = steps + "r", ""
        tally.case(SERVICE, steps, ending, grid)
        for _ in range(one_.same):
            tally.case(SERVICE, "c", "merged", grid)
        # Told of: received, accepted, answered, reported back, the end; or refused. A reopened one is accepted once more.
        steps_told = {
            "solved": 5,
            "explained": 5,
            "late": 5,
            "working": 3,
            "taken": 3,
            "silent": 2,
            "refused": 2,
        }
        told = steps_told[one_.fate] + one_.again
        tally.told += [told] * (one_.named + one_.same)
        tally.told += [told - 1] * one_.joins  # whoever joins comes after the first step
        figures["voice.received"] += 1 + one_.same
        figures["voice.merged"] += one_.same
        figures["voice.matters"] += 1
        figures["voice.me_too"] += one_.joins
        figures["voice.replied"] += one_.fate != "silent"
        figures["voice.replied_late"] += one_.fate in {"silent", "late"}
        figures["voice.escalated"] += escalated
        figures["voice.closed"] += bool(ending)
        figures["voice.fixed"] += ending == "fixed"
        figures["voice.closed_after_table"] += bool(ending) and escalated
        figures["voice.reopened"] += one_.again
        figures["voice.ratings"] += len(one_.stars)
        figures["voice.stars"] += sum(one_.stars)
        figures["voice.sayings"] += 1 + one_.same + one_.joins
        figures["voice.photos"] += one_.photo


def lives(matters: list[Matter], stage: Stage) -> Iterator[tuple[str, Life]]:
    """What happens to each."""
    for one_ in matters:
        yield f"matter {one_.number} ({one_.fate})", _live(one_, stage)


def _live(matter: Matter, stage: Stage) -> Life:
    at = matter.at_ms
    yield at
    web = stage.browser_of(matter.number * 8)
    case, link = _say(stage, web, matter, matter.phone if matter.named else "")
    for number in range(matter.same):
        yield at + MINUTE * (1 + number) // 2
        other = stage.browser_of(matter.number * 8 + 1 + number)
        _say(stage, other, matter, f"{matter.phone[:-2]}{number + 1:02d}", first=case)
    yield at + 3 * MINUTE
    if matter.fate == "refused":
        _step(stage, case, "refuse", reason="不属于本街道管辖")
        return
    _step(stage, case, "screen")
    links = [link]
    for number in range(matter.joins):
        yield at + 4 * MINUTE + number * MINUTE // 2
        other = stage.browser_of(matter.number * 8 + 4 + number)
        links.append(_me_too(stage, other, matter, case, f"{matter.phone[:-2]}{number + 51:02d}"))
    if matter.fate in {"silent", "late"}:
        yield from stage.until(
            "the matter goes to the table by itself", lambda: _state_is(case, "round_table")
        )
        if matter.fate == "silent":
            return
        yield from _table(stage, case)
    elif matter.fate == "taken":
        yield at + 6 * MINUTE
        _step(stage, case, "escalate", reason="需要几方坐下来商量")
        yield from _table(stage, case)
        return
    else:
        yield at + 6 * MINUTE
        _step(stage, case, "assign", department="community")
        yield at + 8 * MINUTE
        _step(stage, case, "reply", who="worker", reply="已经联系维修，明天上门")
        if matter.fate == "working":
            return
    yield stage.now_ms + 4 * MINUTE
    _step(stage, case, "report", who="worker", reply="已经处理完了，请查看")
    yield stage.now_ms + 2 * MINUTE
    if matter.by_reporter:
        _by_link(stage, web, link, "confirm")
    elif matter.fate == "explained":
        _step(stage, case, "explain", reply="需要业主表决，暂时办不了")
    else:
        _step(stage, case, "confirm")
    for number, stars in enumerate(matter.stars):
        yield stage.now_ms + MINUTE
        _by_link(stage, web, links[number], "rate", stars=str(stars))
    if matter.again:
        yield stage.now_ms + 2 * MINUTE
        _by_link(stage, web, link, "reopen", reason="还是老样子，没有解决")


def _table(stage: Stage, case: int) -> Life:
    """The round table is planned, meets, promises something that is kept, and says what was agreed."""
    from central.voice.models import Meeting

    meeting = Meeting._base_manager.filter(case=case).values_list("pk", flat=True).get()
    yield stage.now_ms + MINUTE
    path = f"/voice/{case}/tables/{meeting}"
    stage.act(
        "dispatcher0",
        f"{path}/plan/",
        {"agenda": "怎么解决", "place": "居委会", "guests": "王阿姨\n物业李经理"},
    )
    yield stage.now_ms + MINUTE
    stage.act("worker0", f"{path}/minutes/", {"minutes": "大家同意由物业负责维修"})
    yield stage.now_ms + MINUTE
    _step(stage, case, "agree", reply="物业答应负责维修")


def _step(stage: Stage, case: int, name: str, who: str = "dispatcher", **given: str) -> None:
    stage.act(f"{who}0", f"/voice/{case}/reply/{name}/", given)


def _say(
    stage: Stage, web: requests.Session, matter: Matter, phone: str, first: int | None = None
) -> tuple[int, str]:
    """Fill in the form and send it; (number of the case, the link)."""
    hidden = stage.form(web, "/say/")
    given = {
        **hidden, "category": WHAT[matter.what][0], "text": matter.text, "place": matter.spot.words, "phone": phone,
        "longitude": str(matter.spot.longitude), "latitude": str(matter.spot.latitude),
    }  # fmt: skip
    found = (0, "")
    for time in range(2 if matter.twice else 1):
        files = (
            {"photos": ("shot.jpg", photo(matter.number), "image/jpeg")}
            if matter.photo and not first
            else None
        )
        answer = web.post(
            stage.centre.url + "/say/", data=given, files=files, timeout=TIMEOUT_S,
            headers={"Accept": "application/json"},
        )  # fmt: skip
        stage.calls["resident says something"] += 1
        if answer.status_code != 200:
            raise StoryError(f"/say/ answered HTTP {answer.status_code}: {answer.text[:200]}")
        told = answer.json()
        if told["again"] is not bool(time):
            raise StoryError(f"sent {time + 1} times, but again is {told['again']}")
        found = int(told["number"].lstrip("S")), told["progress"]
    return found


def _me_too(stage: Stage, web: requests.Session, matter: Matter, case: int, phone: str) -> str:
    """Type the same, see the matter among the suggestions, and join it; the link."""
    hidden = stage.form(web, "/say/")
    typed = {
        "csrfmiddlewaretoken": hidden["csrfmiddlewaretoken"], "text": matter.text, "place": matter.spot.words,
        "longitude": str(matter.spot.longitude), "latitude": str(matter.spot.latitude),
    }  # fmt: skip
    shown = web.post(stage.centre.url + "/say/suggestions/", data=typed, timeout=TIMEOUT_S)
    stage.calls["resident is shown what is alike"] += 1
    invitations = {int(n): text for text, n in re.findall(r'value="((\d+):[\w:-]+)"', shown.text)}
    if shown.status_code != 200 or case not in invitations:
        raise StoryError(f"the matter {case} is not among the suggestions {sorted(invitations)}")
    given = {**hidden, "me_too": invitations[case], "phone": phone, "category": WHAT[matter.what][0]}
    answer = web.post(
        stage.centre.url + "/say/", data=given, timeout=TIMEOUT_S, headers={"Accept": "application/json"}
    )
    stage.calls["resident joins"] += 1
    if answer.status_code != 200:
        raise StoryError(f"me too: HTTP {answer.status_code}: {answer.text[:200]}")
    return str(answer.json()["progress"])


def _by_link(stage: Stage, web: requests.Session, link: str, kind: str, **given: str) -> None:
    """Press a button of the progress page."""
    hidden = stage.form(web, link)
    answer = web.post(
        f"{stage.centre.url}{link}/{kind}", data={**hidden, **given}, allow_redirects=False, timeout=TIMEOUT_S
    )
    stage.calls["resident presses a button"] += 1
    if answer.status_code != 303:
        raise StoryError(f"{kind}: HTTP {answer.status_code}")


def _state_is(case: int, state: str) -> bool | None:
    from central.cases.models import Case

    return Case._base_manager.filter(pk=case, process_state=state).exists() or None


def published(stage: Stage, web: requests.Session, tally: Tally) -> Iterator[Row]:
    """The page of figures and its table."""
    from central.voice.models import Saying

    true = tally.of("voice")
    stars, ratings = true.pop("stars", 0), true["ratings"]
    sayings, photos = true.pop("sayings"), true.pop("photos")
    shown: dict[str, object] = dict(true)
    shown["replied_percent"] = round(100 * true["replied"] / true["matters"], 1)
    shown["rating_mean"] = round(stars / ratings, 2) if ratings else ""
    rows = {row["figure"]: row for row in read_csv(web, f"{stage.centre.url}/voice/figures.csv?days=30")}
    page = read_page(web, f"{stage.centre.url}/voice/figures/?days=30")
    yield one("figures that only one side has", sorted(rows.keys() ^ shown.keys()), [])
    for name, row in rows.items():
        cell = _cell(page, row["definition"])
        table = row["value"]
        said = table if cell == (table or "–") else f"{cell or 'nothing'} (CSV: {table})"
        yield Row(name, said, str(shown.get(name, "")), said == str(shown.get(name, "")))
    kept = Saying.objects.unscoped("a benchmark counts all of its own centre").count()
    yield one("reports and me-toos kept", kept, sayings)
    yield one("photos kept", _photos(), photos)


def _photos() -> int:
    from central.cases.models import Attachment

    return Attachment._base_manager.filter(key__startswith="voice-").count()


def _cell(page: Published, definition: str) -> str:
    return next((row[1] for row in page.rows if len(row) == 3 and row[2] == definition), "")
