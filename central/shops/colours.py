"""The colours of shops: facts from the database to the rule, and what follows from its answer back into it.

All shops are done with a handful of queries. A shop's row changes only where the rule says something new, so a sweep over
thousands of shops in which nothing happened writes nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from django.conf import settings
from django.db import transaction
from django.db.models import Count, Max, Q, QuerySet, Sum

from central.cases.models import Case
from central.cases.reports import NewCase, open_case
from central.live.services import TASKS, announce
from central.people.scopes import unscoped
from central.project.clock import local_day, now_ms
from central.shops.models import (
    Appeal,
    AppealState,
    Certificate,
    CertificateKind,
    Colour,
    Enforcement,
    Entry,
    Finding,
    Note,
    Rating,
    Shop,
    TipOff,
    TipOffState,
)
from central.shops.rules import DAY_MS, Expiry, Facts, Hazard, Rule, Verdict, judge, rule_in_force
from central.shops.words import EQUIPMENT, in_both
from protocol.messages import Position

SERVICE = "shop_safety"
ACTOR = "rule"
_RATINGS = "ratings:"
BATCH = 500


@dataclass(slots=True)
class Recoloured:
    """What a run did: shops looked at, rows that changed, colours that changed, cases opened."""

    shops: int = 0
    changed: int = 0
    turned: int = 0
    cases: int = 0
    colours: dict[str, int] = field(default_factory=lambda: dict.fromkeys(Colour.values, 0))


def recolour(shops: QuerySet[Shop] | None = None, rule: Rule | None = None) -> Recoloured:
    """Ask the rule about shops, all active ones by default, and store what it says.

    A shop that turned gets a line in its log and a note to the merchant; one that has been red for too long becomes a
    case, once for each red.
    """
    rule = rule or rule_in_force()
    every = (Shop.objects.unscoped("every shop") if shops is None else shops).filter(active=True)
    done = Recoloured()
    with unscoped("a colour is computed for no person"):
        numbers = list(every.order_by("pk").values_list("pk", flat=True))
        for start in range(0, len(numbers), BATCH):
            _batch(numbers[start : start + BATCH], rule, done)
    return done


def recolour_one(shop: Shop) -> Shop:
    """The same for one shop, in the transaction of the change; the shop as it stands now."""
    recolour(Shop.objects.filter(pk=shop.pk))
    shop.refresh_from_db()
    return shop


def facts_of(shops: Iterable[Shop], rule: Rule, now: int) -> Iterator[tuple[Shop, Facts]]:
    """Each shop with all that its colour depends on, with one query for each kind of fact."""
    held = list(shops)
    among = Q(shop__in=[shop.pk for shop in held])
    today = local_day(now)
    aside: dict[int, set[str]] = defaultdict(set)
    for shop_id, keys in Appeal.objects.filter(among, state=AppealState.UPHELD).values_list(
        "shop", "set_aside"
    ):
        aside[shop_id].update(keys)
    hazards: dict[int, list[Hazard]] = defaultdict(list)
    opened = Finding.objects.filter(among, mended_at_ms__isnull=True).order_by("pk")
    for pk, shop_id, severity, due, titles in opened.values_list(
        "pk", "shop", "severity", "due_at_ms", "titles"
    ):
        hazards[shop_id].append(Hazard(f"finding:{pk}", severity, due, (titles["zh"], titles["en"])))
    expiries: dict[int, list[Expiry]] = defaultdict(list)
    past = Certificate.objects.filter(among, replaced_at_ms__isnull=True, expires_on__lt=today).order_by("pk")
    for pk, shop_id, kind, label, day in past.values_list("pk", "shop", "kind", "label", "expires_on"):
        expiries[shop_id].append(
            Expiry(f"certificate:{pk}", (today - day).days, kind in EQUIPMENT, _named(kind, label))
        )
    tips: dict[int, list[tuple[str, str]]] = defaultdict(list)
    since = now - rule.windows.tip_off * DAY_MS
    true = TipOff.objects.filter(among, state=TipOffState.VERIFIED, at_ms__gte=since).order_by("pk")
    for pk, shop_id, severity in true.values_list("pk", "shop", "severity"):
        tips[shop_id].append((f"tip_off:{pk}", severity))
    stars = _ratings(among, aside, now - rule.windows.ratings * DAY_MS)
    for shop in held:
        last = shop.self_inspected_at_ms or shop.registered_at_ms
        count, total, newest = stars.get(shop.pk, (0, 0, 0))
        yield (
            shop,
            Facts(
                now_ms=now,
                hazards=tuple(hazards[shop.pk]),
                expiries=tuple(expiries[shop.pk]),
                quiet_days=max(0, (today - local_day(last)).days),
                quiet_key=f"self:{last}",
                cycle_days=rule.self_inspection.get(shop.category, 7),
                ratings=count,
                stars=total,
                ratings_key=f"{_RATINGS}{newest}",
                tip_offs=tuple(tips[shop.pk]),
                set_aside=frozenset(aside[shop.pk]),
            ),
        )


def _ratings(among: Q, aside: dict[int, set[str]], since: int) -> dict[int, tuple[int, int, int]]:
    """(count, stars, newest) by shop, without those up to the one that an appeal named."""
    counted = Rating.objects.filter(among, at_ms__gte=since)
    for shop_id, keys in aside.items():
        upto = max((int(key[len(_RATINGS) :]) for key in keys if key.startswith(_RATINGS)), default=0)
        if upto:
            counted = counted.exclude(shop=shop_id, pk__lte=upto)
    rows = counted.order_by().values("shop").annotate(many=Count("pk"), total=Sum("stars"), newest=Max("pk"))
    return {row["shop"]: (row["many"], row["total"], row["newest"]) for row in rows}


def _batch(numbers: list[int], rule: Rule, done: Recoloured) -> None:
    with transaction.atomic():
        now = now_ms()
        held = list(Shop.objects.select_for_update().filter(pk__in=numbers).order_by("pk"))
        changed, entries, notes = [], [], []
        for shop, facts in facts_of(held, rule, now):
            verdict = judge(facts, rule, settings.TIME_ZONE)
            done.shops += 1
            done.colours[verdict.colour] += 1
            before = shop.colour
            if _apply(shop, verdict, now):
                changed.append(shop)
            if before != shop.colour:
                done.turned += 1
                entries.append(
                    Entry(
                        shop=shop,
                        kind="colour",
                        at_ms=now,
                        actor=ACTOR,
                        body={
                            "from": before,
                            "to": shop.colour,
                            "rule": verdict.rule,
                            "reasons": shop.reasons,
                        },
                    )
                )
                notes.append(_colour_note(shop, now))
        # One statement for many rows; an update of each by CASE takes four times as long.
        Shop.objects.bulk_create(
            changed,
            update_conflicts=True,
            unique_fields=["pk"],
            update_fields=["colour", "reasons", "rule", "risk", "colour_since_ms"],
            batch_size=100,
        )
        Entry.objects.bulk_create(entries)
        Note.objects.bulk_create(notes, ignore_conflicts=True)
        done.changed += len(changed)
        done.cases += sum(_enforce(shop, now) for shop in _long_red(held, rule, now))


def _apply(shop: Shop, verdict: Verdict, now: int) -> bool:
    reasons = [reason.as_data() for reason in verdict.reasons]
    if (shop.colour, shop.reasons, shop.rule, shop.risk) == (
        verdict.colour,
        reasons,
        verdict.rule,
        verdict.risk,
    ):
        return False
    if shop.colour != verdict.colour:
        shop.colour_since_ms = now
    shop.colour, shop.reasons = verdict.colour, reasons
    shop.rule, shop.risk = verdict.rule, verdict.risk
    return True


def _colour_note(shop: Shop, now: int) -> Note:
    zh, en = in_both(Colour(shop.colour))
    why = shop.reasons[0] if shop.reasons and shop.colour != Colour.GREEN else None
    return Note(
        shop=shop,
        key=f"colour/{shop.pk}/{now}/{shop.colour}",
        kind="colour",
        zh=f"平安码变为{zh}" + (f"：{why['zh']}" if why else ""),
        en=f"Your code is now {en}" + (f": {why['en']}" if why else ""),
        at_ms=now,
    )


def _long_red(held: list[Shop], rule: Rule, now: int) -> list[Shop]:
    late = now - rule.enforcement.red_days * DAY_MS
    red = [shop for shop in held if shop.colour == Colour.RED and shop.colour_since_ms <= late]
    known = set(
        Enforcement.objects.filter(shop__in=[shop.pk for shop in red]).values_list("shop", "red_since_ms")
    )
    return [shop for shop in red if (shop.pk, shop.colour_since_ms) not in known]


def _enforce(shop: Shop, now: int) -> int:
    """Open the case of this red, once: its key names the shop and when the red began."""
    place = f"{shop.name} {shop.address}".strip()[:300]
    position = None
    if shop.longitude is not None and shop.latitude is not None:
        position = Position(longitude=shop.longitude, latitude=shop.latitude)
    reasons = "；".join(str(reason["zh"]) for reason in shop.reasons if reason["colour"] == Colour.RED)
    case, new = open_case(
        NewCase(
            source="patrol",
            source_key=f"shops/{shop.jurisdiction_id}/{shop.pk}/red/{shop.colour_since_ms}",
            service_code=SERVICE,
            jurisdiction_id=shop.jurisdiction_id,
            at_ms=now,
            actor="shops:rule",
            text=f"{shop.name}（{shop.number}）平安码连续红码未整改：{reasons}"[:4000],
            place=place,
            position=position,
        )
    )
    Enforcement.objects.get_or_create(
        shop=shop, red_since_ms=shop.colour_since_ms, defaults={"case": Case(pk=case.pk)}
    )
    Entry.objects.create(shop=shop, kind="case", at_ms=now, actor=ACTOR, body={"case": case.pk})
    announce(TASKS)
    return int(new)


def _named(kind: str, label: str) -> tuple[str, str]:
    zh, en = in_both(CertificateKind(kind))
    return (f"{zh}（{label}）", f"{en} ({label})") if label else (zh, en)
