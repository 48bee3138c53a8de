"""Every published figure beside the script's truth."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator

from benchmarks.centre import Centre
from benchmarks.hour import city, devices, hotline, hub, residents, shops
from benchmarks.hour.script import Script
from benchmarks.hour.tally import Tally
from benchmarks.hour.world import World
from benchmarks.published import Row, log_in, one, read_csv

ENDINGS = ("fixed", "not_fixed", "refused", "withdrawn", "merged", "unsaid")


def published(world: World, script: Script, tally: Tally) -> dict[str, list[Row]]:
    """The pages and tables of each part, by its name."""
    stage = world.stage
    web = log_in(stage.centre)
    return {
        "residents: /voice/figures/": list(residents.published(stage, web, tally)),
        "hotline: /hotline/figures/": list(hotline.published(stage, web, tally)),
        "devices: /iot/": list(devices.published(stage, web, tally)),
        "the city's app: Open311": list(city.published(stage, tally, world.key)),
        "shops: /shops/": list(shops.published(list(script.shops), world.codes, stage, web, tally)),
        "other systems: webhooks": list(hub.published(world.hub, stage, web, tally)),
        "statistics: how cases ended": list(_endings(stage.centre, web, tally)),
        "messages to people": list(_messages(tally)),
        "tables": list(_stored(tally)),
    }


def _endings(made: Centre, web: object, tally: Tally) -> Iterator[Row]:
    asked = f"?from={made.day}&to={made.day}"
    rows = {row["service"]: row for row in read_csv(web, f"{made.url}/statistics/endings.csv{asked}")}  # type: ignore[arg-type]
    for service in sorted(tally.cases):
        true = {ending: tally.endings[service, ending] for ending in ENDINGS}
        row = rows.get(service, {})
        names = ("closed", *ENDINGS, "opened_again")
        told = ", ".join(f"{row.get(name, '-')} {name}" for name in names if row.get(name) not in {"0", None})
        values = {"closed": sum(true.values()), **true, "opened_again": tally.again[service]}
        yield one(service, told, ", ".join(f"{values[name]} {name}" for name in names if values[name]))


def _messages(tally: Tally) -> Iterator[Row]:
    """Whoever gave a number is told of each step once, up to the policy's messages of a day."""
    from django.db.models import Count

    from central.cases.models import Told
    from central.contact.models import Message
    from notifier.policy import NoticePolicy

    most = NoticePolicy().per_number_per_day
    told = list(
        Told.objects.order_by().values_list("reporter").annotate(n=Count("pk")).values_list("n", flat=True)
    )
    yield one("people by how many steps they were told of", _often(told), _often(tally.told))
    states = dict(Message.objects.order_by().values_list("state").annotate(n=Count("pk")))
    yield one(
        "messages that the gateway took", states.pop("accepted", 0), sum(min(n, most) for n in tally.told)
    )
    yield one(f"messages held for the next day, since a number has {most} a day", states.pop("held", 0),
              sum(max(0, n - most) for n in tally.told))  # fmt: skip
    yield one("messages in any other state", sum(states.values()), 0)


def _often(counts: list[int]) -> str:
    """How many people have so many."""
    found = Counter(counts)
    return ", ".join(f"{n}: {found[n]}" for n in sorted(found))


def _stored(tally: Tally) -> Iterator[Row]:
    """What lies in the centre's tables: each case once, each in its grid."""
    from django.db.models import Count

    from central.cases.models import Case

    cases = Case.objects.unscoped("a benchmark counts all of its own centre")
    found = dict(cases.order_by().values_list("service_code").annotate(n=Count("pk")))
    for service in sorted({*found, *tally.cases}):
        yield one(f"cases of {service}", found.get(service, 0), tally.cases[service])
    places: dict[tuple[str, str], int] = {}
    for (service, grid, event), n in tally.events.items():
        if event == "case.opened":
            places[service, grid] = places.get((service, grid), 0) + n
    rows = cases.order_by().values_list("service_code", "grid__code").annotate(n=Count("pk"))
    there = {(service, grid or ""): n for service, grid, n in rows}
    wrong = {place for place in {*places, *there} if places.get(place, 0) != there.get(place, 0)}
    yield one("services and grids with another number of cases", sorted(wrong) or 0, 0)


def proofs(made: Centre) -> Iterator[Row]:
    """What the centre itself offers: the chain, and figures that are computed again from it."""
    audit = made.patrol("audit", "verify")
    yield one("patrol central audit verify", f"exit code {audit.returncode}", "exit code 0")
    again = made.patrol("shops", "recolour", "--json")
    try:
        changed = json.loads(again.stdout)["turned"]
    except (ValueError, KeyError):
        changed = again.stderr.strip()[-200:] or "nothing was said"
    yield one("patrol central shops recolour: colours computed again that differ", changed, 0)
    for words in (
        ("statistics", "verify", "--from", made.day, "--to", made.day),
        ("hotline", "verify", "--days", "1"),
    ):
        again = made.patrol(*words, "--json")
        try:
            same = "the same" if json.loads(again.stdout)["same"] and again.returncode == 0 else "differs"
        except (ValueError, KeyError):
            same = again.stderr.strip()[-200:] or "nothing was said"
        yield one(f"patrol central {words[0]} verify", same, "the same")
