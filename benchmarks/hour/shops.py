"""Shops with a code on the door, regulators who inspect them, and passers-by who rate them and tell of hazards."""

from __future__ import annotations

import random
import re
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import requests

from benchmarks.hour.ground import HOUR, MINUTE, Spot, spot
from benchmarks.hour.stage import TIMEOUT_S, Life, Stage, StoryError, photo
from benchmarks.hour.tally import Tally
from benchmarks.published import Row, one

SERVICE = "shop_safety"
DAY_MS = 24 * HOUR
RED_DAYS = 7
"""Red for so many days makes a case."""

COLOURS = ("green", "yellow", "red")
RATERS = 5

Kind = Literal["fine", "minor", "major", "grave", "mended", "true", "untrue", "rated", "praised", "long_red"]
"""fine, minor, major, grave: what an inspection finds. mended: something grave, and in order at the next inspection. true, untrue: a
tip-off that a regulator finds so. rated, praised: five people give one star, or five. long_red: red since seven days in this hour."""

ENDS: dict[str, str] = {
    "fine": "green", "minor": "green", "major": "yellow", "grave": "red", "mended": "green", "true": "yellow", "untrue": "green",
    "rated": "yellow", "praised": "green", "long_red": "red",
}  # fmt: skip
FAILS: dict[str, str] = {"minor": "storage", "major": "wiring", "grave": "exit_clear", "mended": "exit_clear"}
"""What is not in order, of the checklist of retail."""

TURNS: dict[str, int] = {"major": 1, "grave": 1, "mended": 2, "true": 1, "rated": 1}
"""How often the colour changes in the hour."""


@dataclass(frozen=True, slots=True)
class Shop:
    """One shop and what becomes of it.

    Attributes:
        number: from 0. at_ms: when something happens.
        kind: what happens.
        twice: whether forms are sent twice.
    """

    number: int
    at_ms: int
    kind: Kind
    twice: bool

    @property
    def name(self) -> str:
        """Its number in the register."""
        return f"S-{self.number:04d}"

    @property
    def spot(self) -> Spot:
        """Where it is."""
        return spot(self.number)


def write(dice: random.Random, count: int, arriving_ms: int) -> list[Shop]:
    """Shops by the dice."""
    kinds: tuple[Kind, ...] = (
        "fine", "minor", "major", "grave", "mended", "true", "untrue", "rated", "praised", "long_red",
    )  # fmt: skip
    return [
        Shop(
            number,
            dice.randrange(2 * MINUTE, arriving_ms),
            dice.choices(kinds, (18, 10, 14, 10, 12, 10, 8, 7, 5, 6))[0],
            dice.random() < 0.2,
        )
        for number in range(count)
    ]


def count(shops: list[Shop], tally: Tally) -> None:
    """The figures of these shops."""
    figures = tally.figures
    for name in (*COLOURS, "inspections", "findings", "mended", "tip_offs", "verified", "ratings", "turns"):
        figures[f"shops.{name}"] += 0
    for shop in shops:
        figures[f"shops.{ENDS[shop.kind]}"] += 1
        figures["shops.inspections"] += {"mended": 2, "fine": 1, "minor": 1, "major": 1, "grave": 1}.get(
            shop.kind, 0
        )
        figures["shops.findings"] += shop.kind in FAILS
        figures["shops.mended"] += shop.kind == "mended"
        figures["shops.tip_offs"] += shop.kind in {"true", "untrue"}
        figures["shops.verified"] += shop.kind == "true"
        figures["shops.ratings"] += RATERS * (shop.kind in {"rated", "praised"})
        figures["shops.turns"] += TURNS.get(shop.kind, 0)
        if shop.kind == "long_red":
            tally.case(SERVICE, "mmmc", "fixed", shop.spot.grid)


def register(shops: list[Shop], jurisdiction: str) -> dict[int, str]:
    """Put them into the centre's register; number -> what stands on the door."""
    from central.shops import register as centre
    from central.shops.models import Code

    centre.register(
        jurisdiction,
        [
            centre.NewShop(
                each.name, f"{each.spot.words}小店", "retail", address=each.spot.words,
                longitude=each.spot.longitude, latitude=each.spot.latitude,
            )
            for each in shops
        ],
        "cli:bench",
    )  # fmt: skip
    codes = dict(Code.objects.filter(revoked_at_ms__isnull=True).values_list("shop__number", "token"))
    return {each.number: codes[each.name] for each in shops}


def before(shops: list[Shop], stage: Stage) -> None:
    """What was before the hour: some shops were found with something grave, and have been red since, for seven days in this hour."""
    from central.shops import inspecting
    from central.shops.checklists import current
    from central.shops.models import Finding
    from central.shops.models import Shop as Kept

    items = current("retail").asked_in("patrol")
    for shop in shops:
        if shop.kind != "long_red":
            continue
        kept = Kept.objects.unscoped("a benchmark sets up its own centre").get(number=shop.name)
        answers = {item.id: "fail" if item.id == "exit_clear" else "ok" for item in items}
        shot = {"exit_clear": photo(shop.number)}
        told = inspecting.Answers("patrol", uuid.uuid4().hex, answers, shot, signed_by="店主")
        inspecting.inspect(kept, told, "user:worker0")
        since = stage.utc_ms(shop.at_ms) - RED_DAYS * DAY_MS
        Kept.objects.unscoped("its own centre").filter(pk=kept.pk).update(
            colour_since_ms=since, inspected_at_ms=since
        )
        Finding.objects.filter(shop=kept).update(found_at_ms=since, due_at_ms=since + HOUR)


def lives(shops: list[Shop], stage: Stage, codes: dict[int, str]) -> Iterator[tuple[str, Life]]:
    """What happens to each."""
    for shop in shops:
        yield f"shop {shop.number} ({shop.kind})", _live(shop, stage, codes[shop.number])


def _live(shop: Shop, stage: Stage, token: str) -> Life:
    from central.shops.models import Enforcement
    from central.shops.models import Shop as Kept

    yield shop.at_ms
    kept = Kept.objects.unscoped("a benchmark reads all of its own centre").get(number=shop.name).pk
    if shop.kind == "long_red":
        case = yield from stage.until(
            "a case is opened for a shop that was red for seven days",
            lambda: Enforcement.objects.filter(shop=kept).values_list("case_id", flat=True).first(),
        )
        yield stage.now_ms + MINUTE
        stage.step("dispatcher0", case, "dispatch")
        yield from stage.until("an officer has reported", lambda: _state_is(case, "verifying"))
        yield stage.now_ms + MINUTE
        stage.step_with_photo("worker0", case, "pass")
        return
    if shop.kind in {"rated", "praised"}:
        for number in range(RATERS):
            yield shop.at_ms + number * MINUTE // 2
            _rate(shop, stage, token, number)
        return
    if shop.kind in {"true", "untrue"}:
        tip = _tip_off(shop, stage, token)
        yield shop.at_ms + 5 * MINUTE
        given = {"severity": "major" if shop.kind == "true" else "", "note": "现场看过了"}
        stage.act("dispatcher0", f"/shops/{kept}/tip-offs/{tip}/", given)
        return
    _inspect(shop, stage, kept, FAILS.get(shop.kind, ""))
    if shop.kind == "mended":
        yield shop.at_ms + 15 * MINUTE
        _inspect(shop, stage, kept, "")


def _inspect(shop: Shop, stage: Stage, kept: int, fails: str) -> None:
    from central.shops.checklists import current
    from central.shops.models import Inspection

    key = uuid.uuid4().hex
    items = current("retail").asked_in("patrol")
    given = {f"a-{item.id}": "fail" if item.id == fails else "ok" for item in items}
    given |= {"key": key, "kind": "patrol", "signed_by": "店主", "note": ""}
    for _ in range(2 if shop.twice else 1):
        files = {f"p-{fails}": ("shot.jpg", photo(shop.number), "image/jpeg")} if fails else None
        stage.act("worker0", f"/shops/{kept}/inspect/", given, files)
    if Inspection.objects.filter(key=key).count() != 1:
        raise StoryError("the inspection was not stored once")


def _rate(shop: Shop, stage: Stage, token: str, number: int) -> None:
    web = stage.browser_of(80_000 + shop.number * 8 + number)
    hidden = stage.form(web, f"/s/{token}")
    for stars in (
        ("3", "1" if shop.kind == "rated" else "5") if shop.twice else ("1" if shop.kind == "rated" else "5",)
    ):
        _post(stage, web, f"/s/{token}/rate", {**hidden, "stars": stars})


def _tip_off(shop: Shop, stage: Stage, token: str) -> int:
    from central.shops.models import TipOff

    web = stage.browser_of(80_000 + shop.number * 8)
    hidden = stage.form(web, f"/s/{token}")
    for _ in range(2 if shop.twice else 1):
        _post(stage, web, f"/s/{token}/tip-off", {**hidden, "text": "后门锁着，货物堵住了通道"})
    return TipOff.objects.get(shop__number=shop.name).pk


def _post(stage: Stage, web: requests.Session, path: str, given: dict[str, str]) -> None:
    answer = web.post(stage.centre.url + path, data=given, allow_redirects=False, timeout=TIMEOUT_S)
    stage.calls["passer-by says something"] += 1
    if answer.status_code != 303:
        raise StoryError(f"{path.rpartition('/')[2]}: HTTP {answer.status_code}")


def _state_is(case: int, state: str) -> bool | None:
    from central.cases.models import Case

    return Case._base_manager.filter(pk=case, process_state=state).exists() or None


def published(
    shops: list[Shop], codes: dict[int, str], stage: Stage, web: requests.Session, tally: Tally
) -> Iterator[Row]:
    """The tiles of the worklist, each door's page, and the log."""
    from central.shops.models import Entry, Finding, Inspection, Rating, TipOff

    true = tally.of("shops")
    page = web.get(stage.centre.url + "/shops/", timeout=TIMEOUT_S)
    if page.status_code != 200:
        raise StoryError(f"/shops/ answered HTTP {page.status_code}")
    tiles = dict(re.findall(r'<a class="(green|yellow|red)"[^>]*><b>(\d+)</b>', page.text))
    for colour in COLOURS:
        yield one(f"shops that are {colour}, on the page", tiles.get(colour, "0"), true[colour])
    doors: Counter[str] = Counter()
    public = stage.browser_of(90_000)
    for shop in shops:
        door = public.get(f"{stage.centre.url}/s/{codes[shop.number]}", timeout=TIMEOUT_S)
        found = re.search(r'class="[^"]*\b(green|yellow|red)\b', door.text)
        doors["right" if found is not None and found[1] == ENDS[shop.kind] else f"{shop.kind}"] += 1
    yield one("doors that show their true colour", doors["right"], len(shops))
    inspections = Inspection.objects.filter(at_ms__gte=stage.centre.began_ms)
    yield one("inspections", inspections.count(), true["inspections"])
    findings = Finding.objects.filter(inspection__in=inspections)
    yield one("findings", findings.count(), true["findings"])
    yield one("… mended", findings.filter(mended_at_ms__isnull=False).count(), true["mended"])
    yield one("tip-offs", TipOff.objects.count(), true["tip_offs"])
    yield one("… verified", TipOff.objects.filter(state="verified").count(), true["verified"])
    yield one("ratings", Rating.objects.count(), true["ratings"])
    turned = Entry.objects.filter(kind="colour", at_ms__gte=stage.centre.began_ms)
    yield one("changes of colour in the log", turned.count(), true["turns"])
