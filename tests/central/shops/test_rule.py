"""The rule of colours: whatever the facts are, its answer has reasons, is the same each time, and never rewards what is worse."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from central.shops.rules import (
    COLOURS,
    DAY_MS,
    FOLDER,
    SEVERITIES,
    Expiry,
    Facts,
    Hazard,
    judge,
    read_rule,
    rule_in_force,
)
from protocol.errors import PatrolError

NOW = 1_790_000_000_000
RULE = rule_in_force()
severities = st.sampled_from(SEVERITIES)
number = itertools.count()
keys = st.builds(lambda: f"k{next(number)}")
hazards = st.builds(
    Hazard, keys, severities, st.integers(NOW - 40 * DAY_MS, NOW + 9 * DAY_MS), st.just(("项", "item"))
)
expiries = st.builds(Expiry, keys, st.integers(-40, 60), st.booleans(), st.just(("证", "paper")))


@st.composite
def facts(draw: st.DrawFn) -> Facts:
    count = draw(st.integers(0, 12))
    held = Facts(
        now_ms=NOW,
        hazards=tuple(draw(st.lists(hazards, max_size=4))),
        expiries=tuple(draw(st.lists(expiries, max_size=3))),
        quiet_days=draw(st.integers(0, 60)),
        cycle_days=draw(st.sampled_from((1, 7))),
        ratings=count,
        stars=draw(st.integers(count, 5 * count)),
        tip_offs=tuple(draw(st.lists(st.tuples(keys, severities), max_size=5))),
    )
    aside = draw(st.sets(st.sampled_from([*_keys(held), "gone"]), max_size=3))
    return replace(held, set_aside=frozenset(aside))


def _keys(held: Facts) -> list[str]:
    rows = [*held.hazards, *held.expiries]
    return [row.key for row in rows] + [key for key, _ in held.tip_offs] + [held.quiet_key, held.ratings_key]


def worse(held: Facts, dice: random.Random) -> Facts:
    """The same with one thing worse."""
    graver = {"minor": "major", "major": "grave", "grave": "grave"}

    def spoil(row):
        if isinstance(row, tuple):
            return row[0], graver[row[1]]
        if isinstance(row, Expiry):
            return replace(row, days_past=row.days_past + dice.randrange(1, 40))
        if dice.random() < 0.5:
            return replace(row, severity=graver[row.severity])
        return replace(row, due_at_ms=row.due_at_ms - dice.randrange(20 * DAY_MS))

    name = dice.choice(("hazards", "expiries", "tip_offs", "quiet_days", "stars", "set_aside"))
    if name == "quiet_days":
        return replace(held, quiet_days=held.quiet_days + dice.randrange(1, 20))
    if name == "stars":
        return replace(held, stars=dice.randint(held.ratings, max(held.ratings, held.stars)))
    if name == "set_aside":
        return replace(held, set_aside=frozenset(list(held.set_aside)[1:]))
    rows = list(getattr(held, name))
    new = {
        "hazards": Hazard("new", dice.choice(SEVERITIES), NOW, ("项", "item")),
        "expiries": Expiry("new", dice.randrange(-5, 40), True, ("证", "paper")),
        "tip_offs": ("new", dice.choice(SEVERITIES)),
    }[name]
    if rows and dice.random() < 0.6:
        place = dice.randrange(len(rows))
        rows[place] = spoil(rows[place])
    else:
        rows.append(new)
    return replace(held, **{name: tuple(rows)})


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(facts(), st.randoms(use_true_random=False))
def test_whatever_the_facts_are(held, dice):
    said = judge(held, RULE)
    # The reasons explain the colour and the risk, and rest on facts that no appeal took away.
    worst = max((reason.colour for reason in said.reasons), key=COLOURS.index, default="green")
    assert said.colour == worst
    assert said.rule == RULE.version
    assert said.risk == sum(reason.weight for reason in said.reasons)
    for reason in said.reasons:
        assert reason.zh
        assert reason.en
        assert "{" not in reason.zh + reason.en
        assert set(reason.facts) <= set(_keys(held))
        assert not held.set_aside.issuperset(reason.facts)
    # The order in which facts come makes no difference, and nothing else does.
    mixed = {name: list(getattr(held, name)) for name in ("hazards", "expiries", "tip_offs")}
    for rows in mixed.values():
        dice.shuffle(rows)
    assert judge(replace(held, **{name: tuple(rows) for name, rows in mixed.items()}), RULE) == said
    # Worse never looks better.
    after = judge(worse(held, dice), RULE)
    assert COLOURS.index(after.colour) >= COLOURS.index(said.colour)
    assert after.risk >= said.risk
    # An appeal that takes everything away leaves green.
    cleared = judge(replace(held, set_aside=frozenset(_keys(held))), RULE)
    assert (cleared.colour, cleared.risk, cleared.reasons) == ("green", 0, ())


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("weight = 80", "weight = 50", "rule"),  # late must weigh no less than not yet late
        ("[reasons.tip_off_grave]", "[reasons.tip_off_worst]", "rule"),
        ("red_days = 7", "red_days = 0", "enforcement.red_days"),
        ('version = "2026-1"', 'version = "2026-1"\nvalid = true', "valid"),
        ('{ from = 1, colour = "red", weight = 60 }', '{ from = 1, colour = "red", weight = 1 }', "rule"),
    ],
)
def test_a_rule_that_rewards_what_is_worse_is_refused(tmp_path, old, new, field):
    text = (FOLDER / "2026-1.toml").read_text("utf-8")
    assert text.count(old) == 1
    path = tmp_path / "new.toml"
    path.write_text(text.replace(old, new), "utf-8")
    with pytest.raises(PatrolError) as refused:
        read_rule(path)
    assert str(refused.value.file) == str(path)
    assert (refused.value.field or "rule") == field
