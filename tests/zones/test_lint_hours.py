"""Odd hours and exemptions are told, sound ones are not."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from zones import ZoneFile, lint, parse_zone_file
from zones.holidays import known_years

NEXT = max(known_years()) + 1
SOUND = {"days": ["workday"], "from": "07:00", "to": "19:00"}


def rules(zone: dict[str, Any], *, years: tuple[int, ...] = (), **top: Any) -> list[tuple[str, str]]:
    file = ZoneFile.model_validate(
        {
            "picture": {"width": 640, "height": 360},
            "zone": [
                {"id": "P1", "name": "Pavement", "polygon": [(0, 0), (300, 0), (300, 200), (0, 200)], **zone}
            ],
            **top,
        }
    )
    return [(remark.rule, remark.problem) for remark in lint(file, years=years) if remark.rule in RULES]


RULES = {
    "hours_never", "hours_repeated", "calendar_unknown", "exempt_unused", "exempt_never", "exempt_everybody",
}  # fmt: skip


@pytest.mark.parametrize(
    ("zone", "top", "expected"),
    [
        ({"hours": [SOUND, {"days": ["sat"], "from": "22:00", "to": "02:00"}]}, {}, []),
        ({"hours": [{"days": ["holiday"]}]}, {"calendar": {"country": "none"}}, ["hours_never"]),
        ({"hours": [{"days": ["holiday"]}, SOUND]}, {"calendar": {"country": "none"}}, ["hours_never"]),
        (
            {"hours": [{"days": ["holiday"]}]},
            {"calendar": {"country": "none", "holidays": ["2026-05-01"]}},
            [],
        ),
        ({"hours": [SOUND, {"days": ["workday"], "from": "09:00", "to": "12:00"}]}, {}, ["hours_repeated"]),
        ({"hours": [SOUND, SOUND]}, {}, ["hours_repeated"]),
        (
            {"hours": [{"from": "22:00", "to": "06:00"}, {"from": "00:00", "to": "06:00"}]},
            {},
            [],  # the second is there for those who begin their day at midnight; it is not within one day's window
        ),
        (
            {"hours": [{"from": "20:00", "to": "08:00"}, {"from": "22:00", "to": "02:00"}]},
            {},
            ["hours_repeated"],
        ),
        (
            {"kind": "loading", "exempt": [{"reason": "post", "plates": ["京A1*"]}]},
            {},
            ["exempt_unused"],
        ),
        ({"exempt": [{"reason": "bikes", "classes": ["bicycle"]}]}, {}, ["exempt_never"]),
        ({"exempt": [{"reason": "bikes", "classes": ["bicycle", "motorcycle"]}]}, {}, []),
        ({"exempt": [{"reason": "night", "hours": [{"from": "22:00", "to": "06:00"}]}]}, {}, []),
        ({"exempt": [{"reason": "all", "hours": [{}]}]}, {}, ["exempt_everybody"]),
        ({"exempt": [{"reason": "unload", "hours": [{}], "up_to_s": 600}]}, {}, []),
        (
            {"exempt": [{"reason": "all", "classes": ["car", "bus", "truck", "motorcycle"]}]},
            {},
            ["exempt_everybody"],
        ),
        (
            {"exempt": [{"reason": "feast", "hours": [{"days": ["holiday"]}]}]},
            {"calendar": {"country": "none"}},
            ["exempt_never"],
        ),
    ],
)
def test_remarks(zone: dict[str, Any], top: dict[str, Any], expected: list[str]) -> None:
    assert [rule for rule, _ in rules(zone, **top)] == expected


def test_a_year_whose_holidays_are_not_known_is_loud() -> None:
    hours = {"hours": [SOUND]}
    assert rules(hours, years=(NEXT - 1,)) == []
    ((rule, problem),) = rules(hours, years=(NEXT - 1, NEXT))
    assert rule == "calendar_unknown"
    assert str(NEXT) in problem
    assert "does not count" in problem
    assert rules({"hours": [{"days": ["mon"]}]}, years=(NEXT,)) == []
    assert rules(hours, years=(NEXT,), calendar={"country": "none"}) == []
    listed = {"years": [NEXT], "holidays": [f"{NEXT}-01-01"]}
    assert rules(hours, years=(NEXT,), calendar=listed) == []
    exempt = {"exempt": [{"reason": "feast", "hours": [{"days": ["holiday"]}]}]}
    assert [rule for rule, _ in rules(exempt, years=(NEXT,))] == ["calendar_unknown"]


def test_the_document_s_examples_are_in_order(root: Path) -> None:
    text = (root / "docs" / "zones.md").read_text("utf-8").partition("## When a zone counts")[2]
    whole, year = re.findall(r"```toml\n(.*?)```", text, re.S)[:2]
    file = parse_zone_file(whole)
    assert lint(file, years=(NEXT - 1,)) == ()
    assert parse_zone_file(re.sub(r"\[calendar\].*?\n\n", year + "\n", whole, flags=re.S)).calendar.years
