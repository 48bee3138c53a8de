"""What makes a code green, yellow or red: pure, by a rule that is a file with a version, and with reasons in two languages.

The colour is the worst that any reason asks for, and the risk is the sum of their weights. So nothing that gets worse can
make the colour better, and each colour but green has a reason.
"""

from __future__ import annotations

import itertools
import tomllib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from protocol.errors import PatrolError

FOLDER = Path(__file__).with_name("colour")
COLOURS = ("green", "yellow", "red")
DAY_MS = 86_400_000
SEVERITIES = ("minor", "major", "grave")
CODES = (
    *(f"{what}_{severity}" for what in ("open_finding", "overdue", "tip_off") for severity in SEVERITIES),
    "expired_paper",
    "expired_equipment",
    "self_inspection_late",
    "low_rating",
)

PLACES = ("value", "days", "item_zh", "item_en", "due", "shown", "count")
"""What the words of a reason may name, in braces."""

ColourName = Literal["green", "yellow", "red"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Step(_Strict):
    """From this value on: the colour at least, and the weight in the worklist."""

    from_: int = Field(alias="from", ge=0)
    colour: ColourName
    weight: int = Field(ge=0, le=1000)


class Words(_Strict):
    """A reason: its words and its steps, which only get worse."""

    zh: str = Field(min_length=1)
    en: str = Field(min_length=1)
    steps: tuple[Step, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _worsening(self) -> Words:
        for text in (self.zh, self.en):
            try:
                text.format(**dict.fromkeys(PLACES, ""))
            except (KeyError, IndexError, ValueError, AttributeError) as error:
                raise ValueError(f"places for words are {', '.join(PLACES)}: {text}") from error
        for one, other in itertools.pairwise(self.steps):
            if (
                one.from_ >= other.from_
                or one.weight > other.weight
                or COLOURS.index(one.colour) > COLOURS.index(other.colour)
            ):
                raise ValueError("a later step must begin later and be no milder")
        return self


class Windows(_Strict):
    """For how many days what counts, and how many ratings say something."""

    tip_off: int = Field(ge=1)
    ratings: int = Field(ge=1)
    fewest_ratings: int = Field(ge=1)


class EnforcementRule(_Strict):
    """When a red code becomes a case."""

    red_days: int = Field(ge=1)


class Rule(_Strict):
    """One version of the rule."""

    version: str = Field(min_length=1, max_length=40)
    windows: Windows
    enforcement: EnforcementRule
    self_inspection: dict[str, int]
    reasons: dict[str, Words]

    @model_validator(mode="after")
    def _complete(self) -> Rule:
        if set(self.reasons) != set(CODES):
            odd = sorted(set(self.reasons) ^ set(CODES))
            raise ValueError(f"reasons: {odd[0]!r} is missing or unknown")
        for severity in ("overdue", "open_finding", "tip_off"):
            steps = [self.reasons[f"{severity}_{each}"].steps for each in SEVERITIES]
            for mild, hard in itertools.pairwise(steps):
                _no_milder(mild, hard, f"{severity}: a graver one")
        told = [step for each in SEVERITIES for step in self.reasons[f"tip_off_{each}"].steps]
        told.sort(key=lambda step: (step.weight, COLOURS.index(step.colour)))
        for light, heavy in itertools.pairwise(told):
            if COLOURS.index(light.colour) > COLOURS.index(heavy.colour):
                raise ValueError("tip_off: of all its steps a heavier one must be no milder")
        for severity in SEVERITIES:
            early, late = (self.reasons[f"{when}_{severity}"].steps for when in ("open_finding", "overdue"))
            _no_milder(early, late, f"overdue_{severity}: what is late")
        return self


@dataclass(frozen=True, slots=True)
class Hazard:
    """A finding that is not mended. `key` names it in appeals; `titles` are the item's words, zh and en."""

    key: str
    severity: str
    due_at_ms: int
    titles: tuple[str, str]


@dataclass(frozen=True, slots=True)
class Expiry:
    """A paper or a piece of equipment, and for how many days it has been past its last good day (negative: still good)."""

    key: str
    days_past: int
    equipment: bool
    titles: tuple[str, str]


@dataclass(frozen=True, slots=True)
class Facts:
    """All that the colour of one shop depends on.

    Args:
        now_ms: UTC milliseconds.
        hazards: findings that are open.
        expiries: papers and equipment in force.
        quiet_days: whole days since the merchant went through the checklist, or since the shop was registered.
        quiet_key: names that time in appeals.
        cycle_days: how often the merchant should.
        ratings: how many in the window that no appeal took away.
        stars: their sum.
        ratings_key: names the last of them.
        tip_offs: key and severity of those in the window that were verified.
        set_aside: keys of facts that an appeal took away.
    """

    now_ms: int
    hazards: tuple[Hazard, ...] = ()
    expiries: tuple[Expiry, ...] = ()
    quiet_days: int = 0
    quiet_key: str = "self"
    cycle_days: int = 1
    ratings: int = 0
    stars: int = 0
    ratings_key: str = "ratings"
    tip_offs: tuple[tuple[str, str], ...] = ()
    set_aside: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Reason:
    """Why: code, the colour it asks for, words, and the keys of the facts it rests on."""

    code: str
    colour: str
    weight: int
    zh: str
    en: str
    facts: tuple[str, ...]

    def as_data(self) -> dict[str, object]:
        """As it is stored."""
        return {name: getattr(self, name) for name in self.__slots__} | {"facts": list(self.facts)}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the rule says. Reasons are in order of weight."""

    colour: str
    risk: int
    reasons: tuple[Reason, ...]
    rule: str


@dataclass(slots=True)
class _Found:
    rule: Rule
    set_aside: frozenset[str]
    reasons: list[Reason] = field(default_factory=list)

    def add(self, code: str, value: int, facts: tuple[str, ...], **words: object) -> None:
        known = self.rule.reasons[code]
        step = _reached(known.steps, value)
        if step is None or self.set_aside.issuperset(facts):
            return
        said = {"value": value, "days": _days(value), **words}
        self.reasons.append(
            Reason(code, step.colour, step.weight, known.zh.format(**said), known.en.format(**said), facts)
        )


def judge(facts: Facts, rule: Rule, zone: str = "Asia/Shanghai") -> Verdict:
    """The colour of a shop with its reasons.

    Args:
        facts: what is known.
        rule: by which version.
        zone: time zone of the days that the reasons name.
    """
    found = _Found(rule, facts.set_aside)
    for hazard in facts.hazards:
        item_zh, item_en = hazard.titles
        late = facts.now_ms - hazard.due_at_ms
        kind = "overdue" if late > 0 else "open_finding"
        found.add(
            f"{kind}_{hazard.severity}",
            -(-max(0, late) // DAY_MS),  # days that have begun
            (hazard.key,),
            item_zh=item_zh,
            item_en=item_en,
            due=_day(hazard.due_at_ms, zone),
        )
    for expiry in facts.expiries:
        if expiry.days_past > 0:
            code = "expired_equipment" if expiry.equipment else "expired_paper"
            item_zh, item_en = expiry.titles
            found.add(code, expiry.days_past, (expiry.key,), item_zh=item_zh, item_en=item_en)
    if facts.quiet_days > facts.cycle_days:
        left_out = max(1, facts.quiet_days // facts.cycle_days - 1)
        found.add("self_inspection_late", left_out, (facts.quiet_key,))
    if facts.ratings >= rule.windows.fewest_ratings:
        below = 300 - facts.stars * 100 // facts.ratings
        if below >= 0:
            shown = f"{facts.stars / facts.ratings:.1f}"
            found.add("low_rating", below, (facts.ratings_key,), shown=shown, count=facts.ratings)
    counted = [(key, severity) for key, severity in facts.tip_offs if key not in facts.set_aside]
    # A graver one also counts as a milder one, and the heaviest of these counts is the reason: so none that gets graver or
    # is added makes it lighter.
    weighed = []
    for place, severity in enumerate(SEVERITIES):
        keys = tuple(sorted(key for key, each in counted if SEVERITIES.index(each) >= place))
        step = _reached(rule.reasons[f"tip_off_{severity}"].steps, len(keys)) if keys else None
        if step is not None:
            weighed.append((step.weight, place, keys))
    if weighed:
        _weight, place, keys = max(weighed)
        found.add(f"tip_off_{SEVERITIES[place]}", len(keys), keys)
    reasons = sorted(found.reasons, key=lambda each: (-COLOURS.index(each.colour), -each.weight, each.facts))
    colour = max((each.colour for each in reasons), key=COLOURS.index, default="green")
    return Verdict(colour, sum(each.weight for each in reasons), tuple(reasons), rule.version)


@lru_cache(maxsize=1)
def rule_in_force() -> Rule:
    """The newest version that comes with the program, by the name of its file.

    Raises:
        PatrolError: the file is wrong; with the field.
    """
    return read_rule(max(FOLDER.glob("*.toml")))


def read_rule(path: Path) -> Rule:
    """A version of the rule.

    Raises:
        PatrolError: no TOML, or a field that is missing, unknown or out of its bounds.
    """
    try:
        return Rule.model_validate(tomllib.loads(path.read_text("utf-8")))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise PatrolError(f"the rule cannot be read: {error}", file=path) from error
    except ValidationError as error:
        first = error.errors()[0]
        raise PatrolError(
            f"the rule is wrong: {first['msg']}",
            file=path,
            field=".".join(str(part) for part in first["loc"]),
        ) from error


def _reached(steps: tuple[Step, ...], value: int) -> Step | None:
    reached = [step for step in steps if step.from_ <= value]
    return reached[-1] if reached else None


def _days(count: int) -> str:
    return f"{count} day" if count == 1 else f"{count} days"


def _no_milder(mild: tuple[Step, ...], hard: tuple[Step, ...], what: str) -> None:
    for step in mild:
        other = _reached(hard, step.from_)
        if (
            other is None
            or other.weight < step.weight
            or COLOURS.index(other.colour) < COLOURS.index(step.colour)
        ):
            raise ValueError(f"{what} must be no milder")


def _day(at_ms: int, zone: str) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(ZoneInfo(zone)).date().isoformat()
