"""A sub-district's shops with two months of inspections, findings, ratings and tip-offs, written in bulk."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta

from django.db import connection

SHOPS = 3_903
MINE = "bench"
DAY_MS = 86_400_000
STREETS = ("文化路", "人民路", "建设街", "解放巷", "中山南路", "学府里", "和平大街", "兴隆胡同")
WORDS = {
    "catering": ("牛肉面馆", "小笼包店", "火锅店", "砂锅米线", "早点铺"),
    "retail": ("便利店", "果蔬店", "五金店", "文具店", "药房"),
    "workshop": ("裁缝铺", "电动车修理", "家具维修", "打印装订", "洗衣房"),
    "lodging": ("旅馆", "青年旅舍", "宾馆", "公寓酒店"),
}
NAMES = "福顺兴隆永和祥瑞安康惠民乐家东升鸿运"


def fill(shops: int, now_ms: int, seed: int, progress: Callable[[str, float], None]) -> None:
    """Write everything; the database has been migrated and is empty.

    Args:
        shops: how many.
        now_ms: the moment at which it is looked at, UTC milliseconds.
        seed: of chance.
        progress: called with what is being written and the share done.
    """
    from central.grids.models import Grid
    from central.people.services import add_user
    from central.shops.register import NewShop, register
    from central.shops.sealing import Owner

    dice = random.Random(seed)
    for name, scope in (("dispatcher", MINE), ("everywhere", "*")):
        add_user(name, "dispatcher", scope=scope)
    Grid.objects.bulk_create(
        [Grid(jurisdiction_id=MINE, code=f"g{n:02}", name=f"第{n}网格", level=1) for n in range(1, 56)]
    )
    progress("shops", 0.1)
    rows = []
    for number in range(1, shops + 1):
        category = dice.choices(tuple(WORDS), (40, 45, 10, 5))[0]
        name = "".join(dice.sample(NAMES, 2)) + dice.choice(WORDS[category])
        rows.append(
            NewShop(
                number=f"S-{number:05}",
                name=name,
                category=category,
                licence=f"91{dice.randrange(10**15):015}X",
                address=f"{dice.choice(STREETS)}{dice.randrange(1, 300)}号",
                longitude=116.3 + dice.random() / 20,
                latitude=39.9 + dice.random() / 20,
                owner=Owner("店主", f"138{dice.randrange(10**8):08}"),
            )
        )
    register(MINE, rows, "bench")
    progress("what happened", 0.5)
    _happen(now_ms, dice)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE" if connection.vendor == "postgresql" else "ANALYZE")


def _happen(now_ms: int, dice: random.Random) -> None:
    from central.grids.models import Grid
    from central.project.clock import local_day
    from central.shops.checklists import current
    from central.shops.models import Certificate, Finding, Inspection, Rating, Shop, TipOff

    today = local_day(now_ms)
    grids = list(Grid.objects.filter(jurisdiction_id=MINE))
    shops = list(Shop.objects.all())
    inspections, findings, certificates, ratings, tips = [], [], [], [], []
    for shop in shops:
        shop.grid = dice.choice(grids)
        shop.registered_at_ms = now_ms - 200 * DAY_MS
        shop.self_inspected_at_ms = now_ms - dice.choice((0, 0, 0, 0, 1, 2, 9)) * DAY_MS
        checklist = current(shop.category)
        for back in range(12):
            at = now_ms - (back * 5 + 1) * DAY_MS
            failed = [item for item in checklist.items if dice.random() < 0.03]
            made = Inspection(
                shop=shop,
                key=f"bench/{shop.pk}/{back}",
                kind="self" if back % 4 else "patrol",
                checklist=checklist.name,
                answers={item.id: "ok" for item in checklist.items},
                failed=len(failed),
                actor="bench",
                at_ms=at,
            )
            inspections.append(made)
            for item in failed:
                mended = dice.random() < 0.9
                findings.append(
                    Finding(
                        shop=shop,
                        inspection=made,
                        item=item.id,
                        severity=item.severity,
                        titles={"zh": item.zh, "en": item.en},
                        found_at_ms=at,
                        due_at_ms=at + item.mend_days * DAY_MS,
                        mended_at_ms=at + DAY_MS if mended else None,
                    )
                )
        for kind in ("business_licence", "extinguisher", "insurance"):
            day = today + timedelta(days=dice.randrange(-20, 700))
            certificates.append(
                Certificate(shop=shop, kind=kind, expires_on=day, actor="bench", added_at_ms=now_ms)
            )
        for number in range(dice.randrange(12)):
            at = now_ms - dice.randrange(80) * DAY_MS
            ratings.append(
                Rating(
                    shop=shop,
                    device=f"{number}",
                    network="bench",
                    day=local_day(at),
                    stars=dice.choice((2, 3, 4, 4, 5, 5)),
                    at_ms=at,
                )
            )
        if dice.random() < 0.1:
            tips.append(
                TipOff(
                    shop=shop,
                    key=f"bench/{shop.pk}",
                    text="楼道堆放杂物，通道不畅",
                    network="bench",
                    day=today,
                    at_ms=now_ms - DAY_MS,
                    state=dice.choice(("new", "verified")),
                    severity=dice.choice(("minor", "major")),
                )
            )
    Shop.objects.bulk_update(shops, ["grid", "registered_at_ms", "self_inspected_at_ms"], batch_size=200)
    for model, rows in (
        (Inspection, inspections),
        (Finding, findings),
        (Certificate, certificates),
        (Rating, ratings),
        (TipOff, tips),
    ):
        model.objects.bulk_create(rows, batch_size=1000)  # type: ignore[attr-defined]
