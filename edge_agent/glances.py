"""What one picture shows of a camera's zones, half way to its decision.

A picture is looked at, considered, attended to and decided on. To look and to attend takes inferences, and needs nothing but the
camera, so other threads may do it while another camera's turn is on; to consider and to decide is the deciding thread's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from edge_agent.attention import Camera, CaseOf, Outlook, attend, is_due, wants_closer
from edge_agent.cases import Case
from edge_agent.frames import Frame
from edge_agent.plates import PlateDesk
from edge_agent.stays import Observation, Stay, StayWatched, Terms, step

Looking = Callable[[], Observation]
"""Looks at a picture, in whatever thread it is called."""


@dataclass(frozen=True, slots=True)
class Glance:
    """A picture that has been considered.

    Attributes:
        camera: as it was before; it is changed by the decision alone.
        frame, seen: the picture, and what it shows.
        terms: what the zones' rules said at its moment.
        again: it was a second look, between two checks.
        attend: looks closer and reads plates where that is due; gives the camera's state and the events to decide on.
        wants: whether there is anything to attend to.
        quiet: nothing happened: the decision concerns the camera's memory alone, so it may come before those of others.
    """

    camera: Camera
    frame: Frame
    seen: Observation
    terms: Terms
    again: bool
    attend: Callable[[], Outlook]
    wants: bool = False
    quiet: bool = False


def considered(
    camera: Camera,
    frame: Frame,
    seen: Observation,
    terms: Terms,
    plates: PlateDesk | None,
    case_of: CaseOf,
    closer: Callable[[], bool],
    *,
    again: bool,
) -> Glance:
    """What the camera's memory makes of a picture.

    Args:
        camera: whose.
        frame: the picture.
        seen: what it shows.
        terms: what the rules say to the camera's stays.
        plates: reads plates, or None.
        case_of: asked now for every stay that is there; never later, from another thread.
        closer: asked where a closer look would be taken: whether there is time for it. Not asked where a task may follow: there it is
            taken at once.
        again: whether it is a second look.
    """
    state, events = step(camera.state, seen, camera.eyes.index, camera.rules, terms)
    proven = [event.stay for event in events if isinstance(event, StayWatched) and event.proven]
    if not proven:
        return Glance(camera, frame, seen, terms, again, lambda: (state, events), quiet=not events)
    there = (*state.stays, *(event.stay for event in events))
    cases: dict[str, Case | None] = {stay.id: case_of(stay) for stay in there}

    def known(stay: Stay) -> Case | None:
        return cases[stay.id]

    due = any(case is not None and is_due(case, frame.at_ms) for case in map(known, proven))
    wanted = due or any(wants_closer(camera, stay, known(stay), frame.at_ms) for stay in proven)
    look = due or (wanted and closer())
    outlook = partial(attend, camera, frame, state, events, plates, known, closer=look)
    return Glance(camera, frame, seen, terms, again, outlook, wants=True)
