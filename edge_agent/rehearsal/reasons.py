"""Why a rest is a case or none, in English and Chinese."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from edge_agent.rehearsal.past import PastRest
from edge_agent.rests import Decided
from edge_agent.stays import Stay, StayRules
from zones import ZoneIndex
from zones.exemptions import Exempt, Who, rule
from zones.hours import hours_of
from zones.model import FORBIDDING

Kind = Literal["case", "outside", "class", "hours", "short", "exempt", "no_vehicle"]

CLASSES = {"car": "小型车", "bus": "大型客车", "truck": "货车", "motorcycle": "摩托车", "bicycle": "非机动车"}


@dataclass(frozen=True, slots=True)
class Reason:
    """Why, in both languages.

    Attributes:
        kind: for machines.
        zone: the zone that decided, if one did.
        en, zh: a sentence each.
    """

    kind: Kind
    zone: str | None
    en: str
    zh: str


_WHERE = re.compile(
    r"(?P<share>\d+%) of its footprint is in zone (?P<zone>\S+), needs (?P<needed>\d+%)"
    r"(?: \((?P<in>[\d.]+) m² of (?P<of>[\d.]+) m²\))?"
    r"(?:, but (?P<but>\d+%) is in (?:(?P<ignored>an ignored place)|(?P<bay>\S+), where standing is allowed))?"
)


def place_in_chinese(why: str) -> str:
    """A sentence of `zones.presence` in Chinese; one that is not known stays as it is."""
    if why == "its footprint touches no forbidden zone":
        return "车辆未压占任何禁停区域"
    found = _WHERE.fullmatch(why)
    if found is None:
        return why
    text = f"车辆占地面积的 {found['share']} 在区域 {found['zone']} 内，达到 {found['needed']} 即判定"
    if found["in"]:
        text += f"（{found['of']} m² 中的 {found['in']} m²）"
    if found["ignored"]:
        text += f"，但 {found['but']} 在忽略区域内"
    elif found["bay"]:
        text += f"，但 {found['but']} 在允许停放的 {found['bay']} 内"
    return text


def reason_of(past: PastRest, index: ZoneIndex, cases: Sequence[Decided], stay: Stay | None) -> Reason:
    """Why these zones decide so.

    Args:
        past: the rest.
        index: the zones.
        cases: what they decide.
        stay: the vehicle as it was followed last; None if it was near no zone that counted.
    """
    rest = past.rest
    if cases:
        last = cases[-1]
        return Reason("case", last.zone_id, last.why, place_in_chinese(last.why))
    where = index.presence(rest.box, rest.label)
    zone = index.zones.get(where.zone_id or "")
    if zone is None or not where.inside:
        others = [z for z in index.zones.values() if z.kind in FORBIDDING and rest.label not in z.classes]
        shares = index.ratios(rest.box, rest.label) if others else {}
        for about in others:
            other = about.id
            if shares.get(other, 0.0) >= about.enter_ratio:
                return Reason(
                    "class", other, f"zone {other} is not about the class {rest.label}",
                    f"区域 {other} 不针对{CLASSES.get(rest.label, rest.label)}",
                )  # fmt: skip
        return Reason("outside", None, where.why, place_in_chinese(where.why))
    least = StayRules().vehicle_score * (2 if rest.unsure else 1)
    if rest.checks and sum(rest.checks) / len(rest.checks) < least:
        return Reason("no_vehicle", zone.id, "closer looks did not find a vehicle", "近距离复看未确认是车辆")
    chinese = place_in_chinese(where.why)
    who = Who(rest.label, rest.first_ms)
    ruling = rule(
        zone.exempt, who, rest.last_ms, time_zone=index.file.time_zone, calendar=index.file.calendar
    )
    if isinstance(ruling, Exempt):
        return Reason(
            "exempt",
            zone.id,
            f"{where.why}; exempt: {ruling.reason}",
            f"{chinese}；免予处理：{ruling.reason}",
        )
    hours = hours_of(zone, index.file)
    counts = any(
        hours.counts(at_ms) for at_ms in (rest.first_ms, (rest.first_ms + rest.last_ms) // 2, rest.last_ms)
    )
    counted = stay.counted_ms if stay is not None else rest.covered_ms
    if not counts and (stay is None or counted == 0):
        return Reason(
            "hours",
            zone.id,
            f"{where.why}; the zone did not count at that time",
            f"{chinese}；当时不在区域生效时段",
        )
    needs = f"{zone.confirm_after_s:g}"
    return Reason(
        "short", zone.id, f"{where.why}; stood {counted / 1000:.0f} s that count, needs {needs} s",
        f"{chinese}；有效停留 {counted / 1000:.0f} 秒，需满 {needs} 秒",
    )  # fmt: skip
