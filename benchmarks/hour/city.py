"""A city's app that reports over Open311, officers who go there, and the app that asks what became of it."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import requests

from benchmarks.day.officers import Phone
from benchmarks.hour.ground import MINUTE, SIDE, SOUTH, WEST, Spot, spot
from benchmarks.hour.stage import TIMEOUT_S, Life, Stage, StoryError, photo
from benchmarks.hour.tally import Tally
from benchmarks.published import Row, one
from protocol.errors import UnavailableError

SERVICE = "city_appearance"
OFFICERS = 3
LOOK_S = 0.3
STAND_S = 1.5
ACCEPT_MS, CLOSE_MS = MINUTE, 4 * MINUTE
"""So long after the offer an officer accepts, and after accepting reports what was found."""

Fate = Literal["fixed", "not_fixed", "again", "refused", "waiting", "established", "stranger", "unknown"]
"""fixed, not_fixed: an officer went there. again: fixed, and opened again by a dispatcher. refused: not established. waiting: nobody
has looked yet. established: nobody was sent yet. stranger: its key is none; unknown: its service is none; neither is taken."""

WHAT = (
    ("stall", "人行道上摆满了货摊，行人只能走车道"),
    ("rubbish", "路边堆着一大堆建筑垃圾，没有人清"),
    ("posters", "电线杆上贴满了小广告"),
    ("e_bikes", "地铁口的共享单车堵住了盲道"),
)


@dataclass(frozen=True, slots=True)
class Report:
    """One report and what becomes of it.

    Attributes:
        number: from 0. at_ms: when it is posted.
        what: which of `WHAT`. xml: whether the app speaks XML, else JSON.
        picture: whether it has a picture. twice: whether it is posted twice.
        same: how many others report the same.
        fate: what becomes of it.
    """

    number: int
    at_ms: int
    what: int
    xml: bool
    picture: bool
    twice: bool
    same: int
    fate: Fate

    @property
    def spot(self) -> Spot:
        """Where it is."""
        return spot(self.number)

    @property
    def taken(self) -> bool:
        """Whether it becomes a case."""
        return self.fate not in {"stranger", "unknown"}


def write(dice: random.Random, count: int, arriving_ms: int) -> list[Report]:
    """Reports by the dice."""
    found = []
    for number, at_ms in enumerate(sorted(dice.randrange(arriving_ms) for _ in range(count))):
        fate: Fate = dice.choices(
            ("fixed", "not_fixed", "again", "refused", "waiting", "established", "stranger", "unknown"),
            (36, 10, 8, 12, 12, 10, 6, 6),
        )[0]
        taken = fate not in {"stranger", "unknown"}
        found.append(
            Report(
                number=number,
                at_ms=at_ms,
                what=dice.randrange(len(WHAT)),
                xml=dice.random() < 0.3,
                picture=dice.random() < 0.25,
                twice=dice.random() < 0.2,
                same=dice.choices((0, 1, 2), (80, 14, 6))[0] if taken else 0,
                fate=fate,
            )
        )
    return found


def count(reports: list[Report], tally: Tally) -> None:
    """The figures of these reports."""
    figures = tally.figures
    for name in ("posted", "refused", "repeated", "open", "closed", "pictures"):
        figures[f"city.{name}"] += 0
    for report in reports:
        calls = (1 + report.twice) + report.same
        if not report.taken:
            figures["city.refused"] += 1 + report.twice
            continue
        figures["city.posted"] += calls - report.twice
        figures["city.repeated"] += report.twice
        figures["city.pictures"] += report.picture
        steps, ending = {
            "fixed": ("mmmmc", "fixed"), "not_fixed": ("mmmmc", "not_fixed"), "again": ("mmmmcr", ""), "refused": ("c", "refused"),
            "waiting": ("", ""), "established": ("m", ""),
        }[report.fate]  # fmt: skip
        tally.case(SERVICE, steps, ending, report.spot.grid)
        figures["city.closed" if ending else "city.open"] += 1
        # Told of: reported, established, being handled, the end; or refused. A reopened one is established once more.
        told = {"fixed": 4, "not_fixed": 4, "again": 5, "refused": 2, "waiting": 1, "established": 2}[
            report.fate
        ]
        tally.told += [told] * (1 + report.same)
        for _ in range(report.same):
            tally.case(SERVICE, "c", "merged", report.spot.grid)
            figures["city.closed"] += 1


def lives(reports: list[Report], stage: Stage, key: str) -> Iterator[tuple[str, Life]]:
    """What happens to each."""
    for report in reports:
        yield f"request {report.number} ({report.fate})", _live(report, stage, key)


def _live(report: Report, stage: Stage, key: str) -> Life:
    yield report.at_ms
    case = 0
    for time in range(1 + report.twice):
        case = _post(stage, report, key, 0, again=bool(time))
    if not report.taken:
        return
    for number in range(report.same):
        yield report.at_ms + (number + 1) * MINUTE // 2
        _post(stage, report, key, number + 1)
    if report.fate == "waiting":
        return
    yield report.at_ms + 3 * MINUTE
    if report.fate == "refused":
        stage.step("dispatcher0", case, "refuse", reason="不在管辖范围")
        return
    stage.step("dispatcher0", case, "establish")
    if report.fate == "established":
        return
    yield report.at_ms + 4 * MINUTE
    stage.step("dispatcher0", case, "dispatch")
    yield from stage.until("an officer has reported", lambda: _state_is(case, "verifying"))
    yield stage.now_ms + MINUTE
    if report.fate == "not_fixed":
        stage.step("dispatcher0", case, "give_up", reason="需要产权单位处理")
        return
    stage.step_with_photo("worker0", case, "pass")
    if report.fate == "again":
        yield stage.now_ms + 2 * MINUTE
        stage.step("dispatcher0", case, "reopen", reason="又摆出来了")


def _state_is(case: int, state: str) -> bool | None:
    from central.cases.models import Case

    return Case._base_manager.filter(pk=case, process_state=state).exists() or None


def _post(stage: Stage, report: Report, key: str, other: int, *, again: bool = False) -> int:
    """Post it as the app does; the number of the request, 0 where it is rightly refused."""
    what, text = WHAT[report.what]
    given = {
        "api_key": "no-such-key" if report.fate == "stranger" else key,
        "service_code": "no_such_service" if report.fate == "unknown" else SERVICE,
        "lat": str(report.spot.latitude), "long": str(report.spot.longitude), "address_string": report.spot.words,
        "description": text, "attribute[what]": what, "phone": f"137{report.number:06d}{other:02d}",
    }  # fmt: skip
    form = "xml" if report.xml else "json"
    files = (
        {"media": ("shot.jpg", photo(report.number), "image/jpeg")} if report.picture and not other else None
    )
    web = stage.browser_of(20_000 + report.number * 4 + other)
    answer = web.post(
        f"{stage.centre.url}/open311/v2/requests.{form}", data=given, files=files, timeout=TIMEOUT_S
    )
    stage.calls["app posts"] += 1
    wanted = {"stranger": 403, "unknown": 404}.get(report.fate, 200 if again else 201)
    if answer.status_code != wanted:
        raise StoryError(f"posted: HTTP {answer.status_code}, not {wanted}: {answer.text[:200]}")
    if not report.taken:
        return 0
    if report.xml:
        return int(answer.text.split("<service_request_id>")[1].split("<")[0])
    return int(answer.json()[0]["service_request_id"])


# --- officers ---------------------------------------------------------------------------------------------------------------


class Patrol:
    """Officers with phones: each accepts what is offered, goes there and says what was found."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.failures: list[str] = []
        self.closed = 0
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._guarded, args=(number,), name=f"officer {number}", daemon=True)
            for number in range(OFFICERS)
        ]

    def start(self) -> None:
        """Begin the round."""
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """End it."""
        self._stop.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(TIMEOUT_S)

    def _guarded(self, number: int) -> None:
        try:
            self._run(number)
        except Exception as error:
            self.failures.append(f"officer {number} gave up: {error!r}")
            raise

    def _run(self, number: int) -> None:
        phone = Phone(self._stage.centre, number, Counter())
        clock = self._stage.centre.clock
        accepted: dict[int, int] = {}
        stood = -(10**9)
        while not self._stop.wait(LOOK_S):
            try:
                if clock.monotonic_ms() - stood >= STAND_S * 1000:
                    stood = clock.monotonic_ms()
                    phone.stand((WEST + SIDE * (number + 1) / (OFFICERS + 1), SOUTH + SIDE / 2))
                mine = phone.mine()
                now = clock.utc_ms()
                for offer in mine["offers"]:
                    if now >= int(offer["offered_at_ms"]) + ACCEPT_MS:
                        phone.accept(int(offer["task"]["task"]))
                for task in mine["tasks"]:
                    order = int(task["task"])
                    if now >= accepted.setdefault(order, now) + CLOSE_MS:
                        phone.close(order, "other", "已经处理")
                        self.closed += 1
            except (requests.RequestException, UnavailableError) as error:
                self.failures.append(f"officer {number}: {error}")


def published(stage: Stage, tally: Tally, key: str) -> Iterator[Row]:
    """The list of requests as strangers read it, and each request as its app does."""
    from central.open311.models import Report as Kept

    true = tally.of("city")
    web = stage.browser_of(60_001)
    base = stage.centre.url + "/open311/v2/"
    for status in ("open", "closed"):
        rows = _read(web, f"{base}requests.json?service_code={SERVICE}&status={status}")
        yield one(f"requests that strangers see as {status}", len(rows), true[status])
    mine = _read(web, f"{base}requests.json?api_key={key}&extensions=true")
    yield one("requests that the app reads", len(mine), true["posted"])
    told: Counter[str] = Counter()
    for row in mine:
        more = row["extended_attributes"]
        told[more["ending"] or "open"] += 1
        told["opened again"] += bool(more["reopened"])
        told["pictures"] += len(more["media_urls"])
    endings = {ending: n for (service, ending), n in tally.endings.items() if service == SERVICE}
    endings["open"] = true["open"]
    for ending in sorted({*endings, *told} - {"opened again", "pictures"}):
        yield one(f"… of them {ending}", told[ending], endings.get(ending, 0))
    again = sum(
        n
        for (service, _g, event), n in tally.events.items()
        if (service, event) == (SERVICE, "case.reopened")
    )
    yield one("… opened again", told["opened again"], again)
    # What officers photographed stays inside.
    yield one("… pictures", told["pictures"], true["pictures"])
    kept = Kept.objects.values_list("case_id", "token")
    right = 0
    for case, token in kept[:20]:
        found = _read(web, f"{base}tokens/{token}.json")
        right += found[0]["service_request_id"] == str(case)
    yield one("tokens that lead to their request", right, min(20, true["posted"]))


def _read(web: requests.Session, address: str) -> list[dict[str, Any]]:
    answer = web.get(address, timeout=TIMEOUT_S)
    if answer.status_code != 200:
        raise StoryError(
            f"{address.partition('?')[0]} answered HTTP {answer.status_code}: {answer.text[:200]}"
        )
    found: list[dict[str, Any]] = answer.json()
    return found
