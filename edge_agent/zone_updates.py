"""The zones of a running agent: read, verified, watched, and changed between two pictures.

A file is read only after it stayed the same from one look to the next. What is not valid, not signed by a trusted key,
for another camera, older than what is in force, or gone, is refused: what was in force stays so, and the agent's health
says why until it is mended. A copy of what is in force lies in the data folder, so that a start finds it whatever
became of the file.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from edge_agent.attention import Camera
from edge_agent.bays import BayWatch
from edge_agent.build import Perceiver, make_camera
from edge_agent.config import CameraConfig, ZonesSection
from edge_agent.engine import Engine
from edge_agent.rule_change import RulesIndex, change_rules, forget_tags, tags_of
from edge_agent.store import Store
from edge_agent.zone_rules import Rules, Trust, open_rules, read_rules
from edge_agent.zone_telling import Tell
from protocol.clock import Millis
from protocol.errors import PatrolError, UnavailableError
from protocol.messages import ZonesInForce
from zones import ZoneFile
from zones.publishing import published_path, read_bytes
from zones.writing import write_whole

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Watch:
    """One camera's zone file."""

    config: CameraConfig
    rules: Rules
    judged: Rules | None
    """By which the stored memory was judged; also the last good copy."""
    problem: str | None = None
    seen: object = None
    pending: object = None
    camera: Camera | None = field(default=None, repr=False)
    told: str | None = None
    """Tag of what the centre was told in this life."""


class ZoneUpdates:
    """Keeps each camera's zones.

    Args:
        cameras: as configured.
        section: what the configuration says of zone files.
        data_dir: where copies are kept, in `zones/`.
        store: the agent's database.
        tell: is given what is in force for a camera, at the start and after each change; None where nobody listens.

    Raises:
        PatrolError: a camera has no zones that may be used, neither in its file nor as the last good copy.
    """

    def __init__(
        self,
        cameras: Iterable[CameraConfig],
        section: ZonesSection,
        data_dir: Path,
        store: Store,
        tell: Tell | None = None,
    ) -> None:
        self._tell = tell
        self._trust = Trust.of(section)
        self._folder = data_dir / "zones"
        self._store = store
        self._watches = {config.id: self._begin(config) for config in cameras}

    def _begin(self, config: CameraConfig) -> _Watch:
        last = self._last_good(config.id)
        newest = None if last is None else last.head
        seen = _signature(published_path(config.zones))
        try:
            rules, problem = read_rules(config, self._trust, newest), None
        except PatrolError as error:
            if last is None:
                raise
            try:  # rules that would not be accepted today, because a key was withdrawn, are not used again either
                rules = open_rules(last.data, self._copy(config.id, last), config.id, self._trust)
            except PatrolError:
                raise error from None
            problem = _problem(config.id, error)
            _log.warning("%s; %s stay in force", problem, rules)
        return _Watch(config, rules, last, problem, seen, seen)

    @property
    def problems(self) -> list[str]:
        """Files that were refused and why, as named states of health."""
        return [watch.problem for watch in self._watches.values() if watch.problem is not None]

    def files(self) -> dict[str, ZoneFile]:
        """Camera id -> the zones in force."""
        return {camera_id: watch.rules.zones for camera_id, watch in self._watches.items()}

    def told(self, camera_id: str) -> ZonesInForce:
        """What is in force for a camera."""
        return self._watches[camera_id].rules.told()

    def take_up(
        self, camera_id: str, width: int, height: int, perceiver: Perceiver, engine: Engine, at_ms: Millis
    ) -> None:
        """Begin, or go on, to decide for a camera whose pictures have this size.

        Raises:
            PatrolError: its pictures have another shape than the zones'.
            UnavailableError: the disk refuses; the next picture tries again.
        """
        watch = self._watches[camera_id]
        state = self._store.camera(camera_id)
        kept = self._kept(camera_id, tags_of(state))
        state = forget_tags(state, tags_of(state).difference(kept))
        old, new = watch.judged, watch.rules

        def build(rules: Rules) -> Camera:
            files = dict(kept) if old is None or old is rules else {**kept, old.tag: old.zones}
            period_s = watch.config.sample_period_s
            return make_camera(
                camera_id, rules.zones, width, height, perceiver, self._store, period_s, kept=files
            )

        try:
            camera = build(new)
        except PatrolError as error:
            if old is None or old.sha256 == new.sha256:
                raise
            camera = build(old)
            watch.rules = new = old
            watch.problem = _problem(camera_id, error)
        camera.state = state
        if old is None or old.sha256 == new.sha256:
            self._remember(camera_id, new)
            with self._store.transaction():
                self._store.set_meta(_meta(camera_id), new.tag + new.suffix)
            engine.add_camera(camera)
        else:
            self._change(watch, camera, old, new, engine, at_ms)
        watch.judged, watch.camera = new, camera

    def poll(self, engine: Engine, at_ms: Millis) -> None:
        """Look whether files have changed, and put in force what may be. Cheap while nothing changes.

        Raises:
            UnavailableError: the disk refuses; the next look tries again.
        """
        for watch in self._watches.values():
            signature = _signature(published_path(watch.config.zones))
            if signature == watch.seen:
                continue
            if signature != watch.pending:
                watch.pending = signature  # perhaps it is still being written: wait until it rests
                continue
            try:
                rules = read_rules(watch.config, self._trust, watch.rules.head)
                if _signature(published_path(watch.config.zones)) != signature:
                    continue
                self._put_in_force(watch, rules, engine, at_ms)
            except PatrolError as error:
                if isinstance(error, UnavailableError) and not _is_of_file(error, watch):
                    raise
                self._refuse(watch, error, signature)
                continue
            except Exception as error:  # whatever a file holds, it must not stop the agent
                what = f"cannot be used: {type(error).__name__}: {error}"
                self._refuse(watch, PatrolError(what, file=published_path(watch.config.zones)), signature)
                continue
            watch.seen, watch.problem = signature, None
        self._tell_news(at_ms)

    def _tell_news(self, at_ms: Millis) -> None:
        for camera_id, watch in self._watches.items():
            if self._tell is not None and watch.told != watch.rules.tag:
                self._tell(camera_id, watch.rules, at_ms)
                watch.told = watch.rules.tag

    def _refuse(self, watch: _Watch, error: PatrolError, signature: object) -> None:
        watch.seen, watch.problem = signature, _problem(watch.config.id, error)
        _log.warning("%s; %s stay in force", watch.problem, watch.rules)

    def _put_in_force(self, watch: _Watch, rules: Rules, engine: Engine, at_ms: Millis) -> None:
        if rules.sha256 == watch.rules.sha256:
            return
        before = watch.camera
        if before is None or watch.judged is None:  # no picture yet: it begins with these
            watch.rules = rules
            return
        old = watch.judged
        index = before.eyes.index
        kept = self._kept(watch.config.id, tags_of(before.state))
        new_index = RulesIndex(rules.zones, index.width, index.height, {**kept, old.tag: old.zones})
        camera = replace(
            before,
            eyes=before.eyes.with_zones(new_index),
            place=rules.zones.place,
            street=rules.zones.street,
            bays=_bays(before, new_index),
        )
        self._change(watch, camera, old, rules, engine, at_ms)
        watch.rules = watch.judged = rules
        watch.camera = camera

    def _change(
        self, watch: _Watch, camera: Camera, old: Rules, new: Rules, engine: Engine, at_ms: Millis
    ) -> None:
        """Carry the camera's memory over and store it together with the name of what it was judged by."""
        camera_id = watch.config.id
        change = change_rules(camera.state, old.zones, new.zones, old.tag, engine.case_of)
        self._remember(camera_id, new)
        camera.state, camera.saved_ms = change.state, at_ms
        cases = f"{change.keeping} open case{'' if change.keeping == 1 else 's'}"
        vehicles = f"{len(change.anew)} vehicle{'' if len(change.anew) == 1 else 's'}"
        keep, are = ("keeps", "is") if change.keeping == 1 else ("keep", "are")
        reason = (
            f"{new} in force; {cases} {keep} the rules under which {'it was' if are == 'is' else 'they were'} opened, "
            f"{vehicles} judged anew"
        )
        told = [(stay, "ended", "the rules changed before it was confirmed") for stay in change.anew]
        engine.change_zones(
            camera, at_ms, [(None, "rules_changed", reason), *told], {_meta(camera_id): new.tag + new.suffix}
        )
        _log.info("camera %s: %s", camera_id, reason)
        self._tidy(camera_id, {new.tag, *tags_of(change.state)})

    # Copies in the data folder

    def _copy(self, camera_id: str, rules: Rules) -> Path:
        return self._folder / camera_id / (rules.tag + rules.suffix)

    def _remember(self, camera_id: str, rules: Rules) -> None:
        path = self._copy(camera_id, rules)
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            if path.is_file() and path.read_bytes() == rules.data:
                return
        except OSError as error:
            raise UnavailableError(
                f"cannot be written: {error.strerror}",
                file=path,
                mend="Check the data folder's disk and rights.",
            ) from error
        write_whole(path, rules.data, mode=0o600)

    def _last_good(self, camera_id: str) -> Rules | None:
        """What the stored memory was judged by. It was accepted once: here only damage is looked for."""
        name = self._store.meta(_meta(camera_id))
        return None if name is None else self._load(camera_id, name)

    def _load(self, camera_id: str, name: str) -> Rules | None:
        path = self._folder / camera_id / name
        try:
            rules = open_rules(read_bytes(path), path, camera_id, Trust(None, False))
        except PatrolError as error:
            _log.warning("the copy of earlier zones of camera %s cannot be used: %s", camera_id, error)
            return None
        if rules.tag != path.stem:
            _log.warning("the copy of earlier zones of camera %s was changed: %s", camera_id, path)
            return None
        return rules

    def _kept(self, camera_id: str, tags: Iterable[str]) -> Mapping[str, ZoneFile]:
        kept = {}
        for tag in tags:
            paths = sorted((self._folder / camera_id).glob(f"{tag}.*"))
            rules = self._load(camera_id, paths[0].name) if paths else None
            if rules is not None:
                kept[tag] = rules.zones
        return kept

    def _tidy(self, camera_id: str, needed: set[str]) -> None:
        for path in (self._folder / camera_id).glob("*.*"):
            if path.stem not in needed:
                with suppress(OSError):  # one that stays does no harm
                    path.unlink(missing_ok=True)


def _bays(before: Camera, index: RulesIndex) -> BayWatch:
    """The bays under new zones. What is known of a bay that is the same stays known."""
    bays = BayWatch(index)
    old = before.eyes.index
    if before.bays is not None and old.file.picture == index.file.picture:
        bays.states = {
            bay_id: state
            for bay_id, state in before.bays.states.items()
            if bay_id in index.zones and index.zones[bay_id] == old.zones.get(bay_id)
        }
    return bays


def _meta(camera_id: str) -> str:
    return f"zones/{camera_id}"


def _problem(camera_id: str, error: PatrolError) -> str:
    return f"zones_refused: camera {camera_id}: {error}"


def _is_of_file(error: PatrolError, watch: _Watch) -> bool:
    return error.file is not None and Path(error.file) == published_path(watch.config.zones)


def _signature(path: Path) -> object:
    """Changes whenever the file does, as far as its folder knows; None where it is missing."""
    try:
        facts = path.stat()
    except OSError as error:
        return None if isinstance(error, FileNotFoundError) else error.errno
    return (facts.st_ino, facts.st_dev, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns, facts.st_mode)
