"""Whether anybody saw a vehicle come: something must have changed where it stands."""

from __future__ import annotations

from dataclasses import replace

from edge_agent.stays.model import Observation, Stay, StayRules


def with_arrival(stay: Stay, seen: Observation, rules: StayRules) -> Stay:
    """A stay that this picture shows, with what is known of its arrival.

    In its first looks its place is compared with what was to be seen there before. A shrub that the detector takes for a car
    looks the same in both: then a closer look must be twice as sure (`unsure`). So it must in the dark where nobody knows what was
    there before, as of a vehicle that stood there from the first picture; by day a closer look tells that from other things.
    So it must of what came, but was never found as surely as a stay begins of itself.

    Args:
        stay: present in this picture.
        seen: what the picture shows.
        rules: thresholds.
    """
    if stay.hits == 1:
        stay = replace(stay, compared=0, alike=0.0)
    before = seen.before.get(stay.id)
    if before is not None and stay.compared < rules.arrival_looks:
        mean = (stay.alike * stay.compared + before) / (stay.compared + 1)
        stay = replace(stay, compared=stay.compared + 1, alike=round(mean, 4))
    faint = stay.score < rules.begin_score
    unsure = faint or (not seen_coming(stay, rules) and (seen.dim or known_before(stay, rules)))
    return stay if stay.unsure == unsure else replace(stay, unsure=unsure)


def known_before(stay: Stay, rules: StayRules) -> bool:
    """Whether it is known what its place looked like before."""
    return stay.compared >= rules.settle_hits


def seen_coming(stay: Stay, rules: StayRules) -> bool:
    """Whether its place looked otherwise before it stood there."""
    return known_before(stay, rules) and stay.alike < rules.came_likeness
