"""What the rules of a zone say of a vehicle at a moment: do its hours hold, is the vehicle exempt, can nobody tell.

The rules themselves are in `zones`; here they meet what the agent knows: the plate as read so far, and the permit lists
that are kept on the box.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from zoneinfo import ZoneInfo

from edge_agent.attention import Camera
from edge_agent.cases import ENDED, Case
from edge_agent.plates import PlateDesk
from edge_agent.rule_change import plain_zone_id, tag_of
from edge_agent.stays import Stay, Terms
from edge_agent.stays.pieces import needed_score
from protocol.clock import Millis
from protocol.errors import PatrolError
from zones import Zone, ZoneFile
from zones.exemptions import Exempt, Ruling, Unclear, Who, needs_plate, rule
from zones.hours import Timetable
from zones.lint_hours import calendar_gaps
from zones.rules import Calendar, Exemption

FOR_GOOD: Millis = 253_402_300_799_000
"""The end of the year 9999."""

_MONTH_MS = 30 * 86_400_000
"""So long before the year's end an unknown calendar is told."""


class Permits(Protocol):
    """The permit lists of this box."""

    def lists(self) -> frozenset[str]:
        """Names of the lists that are there, empty ones included."""

    def of(self, plate: str, at_ms: Millis, time_zone: str) -> Mapping[str, Millis | None]:
        """Lists that name a plate at an instant -> until when (None: without end)."""

    def close(self) -> None:
        """Let go of them."""


class NoPermits:
    """A box without permit lists."""

    def lists(self) -> frozenset[str]:
        return frozenset()

    def of(self, plate: str, at_ms: Millis, time_zone: str) -> Mapping[str, Millis | None]:  # noqa: ARG002
        return {}

    def close(self) -> None:
        pass


@dataclass(frozen=True, slots=True)
class Opening:
    """A case to be opened, by which rules; `exempt`: only to record why nothing follows."""

    file: ZoneFile
    zone: Zone
    exempt: str | None


class RuleDesk:
    """Applies zones' rules to stays and cases.

    Args:
        permits: the lists of this box.
        plates: what says of a stay which plate it has, or None where plates are not read.
        plate_wait_ms: how long a plate is waited for.
    """

    def __init__(self, permits: Permits, plates: PlateDesk | None, plate_wait_ms: int) -> None:
        self._permits = permits
        self._plates = plates
        self._plate_wait_ms = plate_wait_ms
        self._tables: dict[str, tuple[ZoneFile, Timetable]] = {}
        self._problem: str | None = None

    def problems(self, files: Mapping[str, ZoneFile], at_ms: Millis) -> list[str]:
        """What of the rules cannot be applied on this box, now or within a month, for its health.

        Args:
            files: camera id -> its zones.
            at_ms: now.
        """
        told = [] if self._problem is None else [self._problem]
        try:
            there = self._permits.lists()
        except PatrolError as error:
            there, told = frozenset(), [*told, f"permits: {error}"]
        for camera_id, file in files.items():
            years = {
                datetime.fromtimestamp(ms / 1000, ZoneInfo(file.time_zone)).year
                for ms in (at_ms, at_ms + _MONTH_MS)
            }
            for zone, year in calendar_gaps(file, sorted(years)):
                told.append(
                    f"calendar: camera {camera_id}, zone {zone.id}: the holidays of {year} are not known; what hangs on "
                    "them is read in the drivers' favour"
                )
            for zone in file.zone:
                for name in sorted({e.permit for e in zone.exempt if e.permit is not None} - there):
                    told.append(
                        f"permits: camera {camera_id}, zone {zone.id}: the permit list {name} is not on this box; nobody is "
                        "warned there, and a person has to look"
                    )
        return list(dict.fromkeys(told))

    def close(self) -> None:
        """Let go of the permit lists."""
        self._permits.close()

    def terms(self, camera: Camera, at_ms: Millis, case_of: Callable[[Stay], Case | None]) -> Terms:
        """What the rules say to the camera's stays at the moment of a picture."""
        index = camera.eyes.index
        counting = self._table(camera.id, index.file).counting(at_ms)
        kept: set[str] = set()
        free: dict[str, Millis] = {}
        for stay in camera.state.stays:
            if stay.zone_id is None:
                continue
            if counting is not None and stay.zone_id not in counting:
                case = case_of(stay)
                if _goes_on(case, stay, at_ms) or _is_over(case, stay, counting):
                    kept.add(stay.id)
            zone = index.zones.get(stay.zone_id)
            if zone is not None and zone.exempt:
                ruling = self.on_stay(index.file, zone, stay, at_ms)
                if isinstance(ruling, Exempt):
                    free[stay.id] = FOR_GOOD if ruling.until_ms is None else ruling.until_ms
        return Terms(counting, frozenset(kept), free)

    def on_stay(self, file: ZoneFile, zone: Zone, stay: Stay, at_ms: Millis) -> Ruling:
        """Whether a vehicle is exempt from a zone, by what has been seen of it so far."""
        if not zone.exempt:
            return None
        plate = None
        if self._plates is not None and needs_plate(zone.exempt, stay.label):
            read, _ = self._plates.verdict(stay)
            plate = None if read is None else read.text
        return self._rule(zone.exempt, stay.label, stay.first_ms, plate, at_ms, file.time_zone, file.calendar)

    def on_case(self, case: Case, at_ms: Millis, plate: str | None = None) -> Ruling:
        """Whether the vehicle of a case is exempt, by the rules under which the case was opened."""
        if not case.zone.exempt:
            return None
        return self._rule(
            case.zone.exempt,
            case.vehicle_class,
            case.first_seen_ms,
            plate or case.plate,
            at_ms,
            case.time_zone,
            case.calendar,
        )

    def opening(self, camera: Camera, stay: Stay, at_ms: Millis) -> Opening | None:
        """Whether a case is to be opened for a vehicle that has none: for a violation, or to record why there is
        none."""
        file = camera.eyes.index.file
        zone = camera.eyes.index.zones.get(stay.zone_id or "")
        if zone is None:
            return None
        ruling = self.on_stay(file, zone, stay, at_ms)
        exempt = ruling.reason if isinstance(ruling, Exempt) and ruling.by_vehicle else None
        if isinstance(ruling, Exempt) and exempt is None:
            return None
        stood_ms = stay.counted_ms if exempt is None else stay.covered_ms
        if stood_ms < zone.confirm_after_s * 1000:
            return None
        if len(stay.checks) < 2 or stay.vehicle_score < needed_score(stay, camera.rules):
            return None
        if stay.larger is not None:
            return None  # it may be but the end of a lorry
        if exempt is None and (not stay.counts or self._waits(zone, stay)):
            return None
        return Opening(file, zone, exempt)

    def _waits(self, zone: Zone, stay: Stay) -> bool:
        """Whether a case is not opened yet because the plate may exempt the vehicle and can still be read."""
        if self._plates is None or not needs_plate(zone.exempt, stay.label):
            return False
        if self._plates.verdict(stay)[0] is not None or not self._plates.wants(stay):
            return False
        return stay.counted_ms < zone.confirm_after_s * 1000 + self._plate_wait_ms

    def _rule(
        self,
        exemptions: Iterable[Exemption],
        vehicle_class: str,
        first_ms: Millis,
        plate: str | None,
        at_ms: Millis,
        time_zone: str,
        calendar: Calendar,
    ) -> Ruling:
        exemptions = tuple(exemptions)
        named = frozenset(e.permit for e in exemptions if e.permit is not None)
        permits: Mapping[str, Millis | None] = {}
        missing: frozenset[str] = frozenset()
        if named:
            try:
                missing = named - self._permits.lists()
                permits = {} if plate is None else self._permits.of(plate, at_ms, time_zone)
                self._problem = None
            except PatrolError as error:
                # Lists that cannot be read say neither yes nor no.
                missing, self._problem = named, f"permits: {error}"
        who = Who(vehicle_class, first_ms, plate, permits, missing)
        return rule(exemptions, who, at_ms, time_zone=time_zone, calendar=calendar)

    def _table(self, camera_id: str, file: ZoneFile) -> Timetable:
        known = self._tables.get(camera_id)
        if known is None or known[0] is not file:
            known = (file, Timetable(file))
            self._tables[camera_id] = known
        return known[1]


def unclear_why(unclear: Unclear, no_plate: str) -> str:
    """Why nobody can tell whether a vehicle is exempt. `no_plate`: why its plate is not known."""
    if unclear.missing is not None:
        return f"the permit list {unclear.missing} is not on this box"
    return no_plate


def _is_over(case: Case | None, stay: Stay, counting: Mapping[str, Millis]) -> bool:
    """Whether a stay is marked with earlier rules because it had its case under those. It does not get another before
    the zone, as it is now, begins to count anew."""
    if case is None or case.state not in ENDED or tag_of(stay) is None:
        return False
    return counting.get(plain_zone_id(stay) or "", 0) <= case.changed_ms


def _goes_on(case: Case | None, stay: Stay, at_ms: Millis) -> bool:
    """Whether a case was opened under rules by which the stay's zone still counts."""
    if case is None or case.state in ENDED or case.zone.id != plain_zone_id(stay):
        return False
    return case.task_issued or not case.hours_over(at_ms)
