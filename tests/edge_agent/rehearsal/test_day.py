"""A recorded day of 200 simulated stays: exactly the flips that the ground truth has, and what the engine itself says."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.rehearsal import EDITS, Edit, Street, draw_lots, live_through
from benchmarks.rehearsal.check import check
from benchmarks.rehearsal.edits import OLD
from benchmarks.rehearsal.truth import decide_all
from edge_agent.rehearsal.day import decide
from edge_agent.rehearsal.indexes import Indexes
from edge_agent.rehearsal.past import Past, PastRest, read_past
from edge_agent.rehearsal.run import rehearse_past
from zones.geometry import iou

EDIT = {edit.name: edit for edit in EDITS}


@pytest.fixture(scope="module")
def street() -> Street:
    return draw_lots(1, 200)


@pytest.fixture(scope="module")
def past(street: Street, tmp_path_factory: pytest.TempPathFactory) -> Past:
    folder = tmp_path_factory.mktemp("day")
    return read_past(live_through(street, street.zone_file(OLD), folder))


def test_the_day_is_worth_rehearsing(street: Street, past: Past) -> None:
    """Most stays are remembered, near zones and elsewhere; cases of all kinds were opened; nothing is trivial."""
    assert len(past.rests) >= 190
    assert {each.rest.by for each in past.rests} == {"stay", "place"}
    decided = [d for each in past.rests for d in each.decided]
    assert {d.zone_id for d in decided} == {"P1", "P2"}
    assert sum(d.tasked_ms is not None for d in decided) >= 5
    assert sum(d.state == "self_corrected" for d in decided) >= 5
    assert any(d.plate_mark is None for d in decided)
    assert any(d.unnotifiable is not None and d.unnotifiable.startswith("already warned") for d in decided)
    truth = [d for stay in street.stays for d in decide_all(stay, OLD, street.start_ms)]
    assert len(truth) == len(decided)


@pytest.mark.parametrize("name", EDIT)
def test_exactly_the_flips_of_the_truth_are_listed(name: str, street: Street, past: Past) -> None:
    rehearsal = rehearse_past(past, street.zone_file(EDIT[name].plan))
    found = check(street, EDIT[name], rehearsal)
    assert found.wrong == {}
    assert found.listed == found.expected
    assert found.history_differs == 0
    assert (found.expected == 0) == (name == "same")


# The engine itself, living the day by the new zones


def _same(one: PastRest, other: PastRest) -> bool:
    return abs(one.rest.first_ms - other.rest.first_ms) <= 30_000 and iou(one.rest.box, other.rest.box) > 0.8


@pytest.mark.parametrize("edit", [EDIT["hours"], EDIT["handed over"]], ids=lambda edit: str(edit.name))
def test_the_engine_decides_what_was_rehearsed(edit: Edit, tmp_path: Path) -> None:
    """Decided again from the memory of the old zones, each stay comes to what the new ones make of it live."""
    street = draw_lots(5, 30, day_s=5 * 3600)
    (tmp_path / "old").mkdir()
    (tmp_path / "new").mkdir()
    before = read_past(live_through(street, street.zone_file(OLD), tmp_path / "old"))
    lived = read_past(live_through(street, street.zone_file(edit.plan), tmp_path / "new"))
    again = decide(before, before.rests, Indexes(street.zone_file(edit.plan), before.rests))
    compared = 0
    for each in before.rests:
        (live,) = [other for other in lived.rests if _same(each, other)]
        rehearsed = again[each.rest.id].cases
        assert [(d.zone_id, d.state, d.tasked_ms is None) for d in rehearsed] == [
            (d.zone_id, d.state, d.tasked_ms is None) for d in live.decided
        ]
        for one, two in zip(rehearsed, live.decided, strict=True):
            # Standing begins between two looks (`roll_ms` after the first), so that the rehearsal may confirm between two, too.
            assert abs((one.confirmed_ms or 0) - (two.confirmed_ms or 0)) < 1_000
            assert abs((one.tasked_ms or 0) - (two.tasked_ms or 0)) <= 30_000
        compared += len(rehearsed)
    assert compared >= 5
