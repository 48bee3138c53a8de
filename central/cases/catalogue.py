"""The services that this centre knows: definitions read from files, checked whole, and kept by their hash.

A file of the operator's own replaces the shipped one of the same service. A case keeps the hash of the rules under which it
was opened, and `central.cases.rules` finds them again for as long as the case exists.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from central.cases import fields
from central.cases.definition import Definition, State, Transition
from central.cases.guards import known_guards
from central.cases.process import AT_ONCE, MERGED, REPORTER, UNMERGED, WITHDRAWN
from central.cases.states import CaseState, ProcessStep
from central.project import nul
from protocol.errors import PatrolError

SHIPPED = Path(__file__).parent / "services"
LARGEST = 256 * 1024

_EVENTS: set[str] = {
    AT_ONCE,
    MERGED,
    UNMERGED,
    WITHDRAWN,
    "task_issued",
    "task_retracted",
    "accepted",
    "outcome",
    "camera_ended",
    "response_breached",
    "reply_breached",
    "resolution_breached",
}
_DRIVEN: dict[str, frozenset[str]] = {}


def know_event(name: str) -> None:
    """Let definitions name something that an app of its own tells the engine."""
    _EVENTS.add(name)


def drive(service_code: str, events: frozenset[str]) -> None:
    """An app tells these events of this service: a definition that leaves one out is refused."""
    _EVENTS.update(events)
    _DRIVEN[service_code] = events


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a definition, and where."""

    field: str
    problem: str


def read(path: Path) -> Definition:
    """Read and check one file.

    Raises:
        PatrolError: it cannot be read or makes no sense; the first fault is named with its field, and how many there are.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST + 1)
    except OSError as error:
        raise PatrolError(f"the file cannot be read: {error.strerror}", file=path) from error
    definition, found = examine(raw)
    if definition is None:
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise PatrolError(found[0].problem + more, file=path, field=found[0].field or None)
    return definition


def examine(raw: bytes) -> tuple[Definition | None, list[Fault]]:
    """What a text defines, or everything that is wrong with it; `Fault.field` is empty where it is the text as a whole.

    Every way by which a definition comes in goes through here: files, the command line and the administration's page.
    """
    if len(raw) > LARGEST:
        return None, [Fault("", f"it has more than {LARGEST} bytes")]
    try:
        content = tomllib.loads(raw.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        return None, [Fault("", f"this is not TOML: {error}")]
    if (where := nul.of_json(content)) is not None:
        return None, [Fault(where, "the text holds a NUL character")]
    try:
        definition = Definition.model_validate(content)
    except ValidationError as error:
        return None, [
            Fault(".".join(str(part) for part in one["loc"]), one["msg"])
            for one in error.errors(include_url=False, include_input=False, include_context=False)
        ]
    found = list(faults(definition))
    return (None if found else definition), found


def load(own: Path | None = None) -> dict[str, Definition]:
    """Every service by its code: those shipped, and those of the operator's folder, which come last and win.

    Raises:
        PatrolError: a file is wrong, two of one folder define the same service, or the folder is not there.
    """
    known: dict[str, Definition] = {}
    for folder in (SHIPPED, own):
        if folder is None:
            continue
        if not folder.is_dir():
            raise PatrolError("there is no such folder of services", file=folder)
        here: dict[str, Path] = {}
        for path in sorted(folder.glob("*.toml")):
            definition = read(path)
            code = definition.service_code
            if code in here:
                raise PatrolError(
                    f"{here[code].name} defines this service too", file=path, field="service_code", value=code
                )
            here[code] = path
            known[code] = definition
    return known


def text_of(service_code: str, own: Path | None = None) -> str:
    """The text of the file that defines a service; empty where none does.

    Raises:
        PatrolError: see `read`.
    """
    found = ""
    for folder in (SHIPPED, own):
        for path in sorted(folder.glob("*.toml")) if folder is not None else ():
            if read(path).service_code == service_code:
                found = path.read_text("utf-8")
    return found


def faults(definition: Definition) -> Iterator[Fault]:
    """Everything that makes a definition impossible to follow, with the field where it is."""
    yield from _doubles(definition)
    names = set(definition.by_name)
    first = [state for state in definition.states if state.initial]
    if len(first) != 1 or first[0].coarse == CaseState.CLOSED:
        yield Fault("states", "exactly one state is initial, and it is not a closed one")
        return
    for number, state in enumerate(definition.states):
        if state.ending is not None and state.coarse != CaseState.CLOSED:
            yield Fault(f"states.{number}.ending", "only a closed state is an ending")
    unknown = False
    for number, found in enumerate(definition.transitions):
        for fault in _transition(definition, found, names):
            unknown = unknown or fault.field in {"from", "to"}
            yield Fault(f"transitions.{number}.{fault.field}", f"{fault.problem} (transition {found.name!r})")
    if not unknown:
        yield from _whole(definition)
    yield from _rules(definition, names)


def _doubles(definition: Definition) -> Iterator[Fault]:
    for where, names in (
        ("states", [state.name for state in definition.states]),
        ("transitions", [found.name for found in definition.transitions]),
        ("fields", [*fields.COMMON, *(rule.name for rule in definition.fields)]),
    ):
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield Fault(where, f"{name!r} is there twice")


def _transition(definition: Definition, found: Transition, names: set[str]) -> Iterator[Fault]:
    from central.people.models import Role

    for source in found.sources:
        if source not in names:
            yield Fault("from", f"there is no state {source!r}")
    if found.to not in names:
        yield Fault("to", f"there is no state {found.to!r}")
    if not {*found.sources, found.to} <= names:
        return
    if not found.roles and found.on is None:
        yield Fault("roles", "nobody may take it and nothing takes it by itself")
    for role in found.roles:
        if role not in {*Role.values, REPORTER}:
            yield Fault("roles", f"there is no role {role!r}")
    for name in found.guards:
        if name not in known_guards():
            yield Fault("guards", f"there is no guard {name!r}; known: {', '.join(sorted(known_guards()))}")
    for name in found.required:
        if name not in fields.rules_of(definition):
            yield Fault("required", f"there is no field {name!r}")
    if found.on is not None and found.on not in _EVENTS:
        yield Fault("on", f"there is no event {found.on!r}; known: {', '.join(sorted(_EVENTS))}")
    if found.on is not None and found.required:
        yield Fault("required", "what happens by itself brings no fields")
    for source in found.sources:
        yield from _apart(definition, found, definition.by_name[source])


def _apart(definition: Definition, found: Transition, source: State) -> Iterator[Fault]:
    """Whoever handles a case never judges it: no definition can leave that out."""
    if not found.roles:
        return
    target = definition.by_name[found.to]
    part = definition.part(found, source.name)
    judged = {ProcessStep.FEEDBACK, ProcessStep.VERIFY_CLOSE, ProcessStep.EVALUATE}
    if source.step == ProcessStep.HANDLE and target.step in judged and part != "handler":
        yield Fault("acts_as", "who reports that the work is done acts as handler")
    closes = target.coarse == CaseState.CLOSED and source.coarse != CaseState.CLOSED
    if closes and target.ending in {None, "fixed"} and part != "verifier":
        yield Fault("acts_as", "who closes a case as fixed acts as verifier")
    reopens = source.coarse == CaseState.CLOSED and target.coarse != CaseState.CLOSED
    if reopens and definition.reopen is None:
        yield Fault("from", "it opens a closed case again, and there is no [reopen] rule")


def _whole(definition: Definition) -> Iterator[Fault]:
    """That every state can be reached and left, and that what happens by itself is clear and ends."""
    reached, waiting = {definition.initial.name}, [definition.initial.name]
    while waiting:
        for found in definition.leaving(waiting.pop()):
            if found.to not in reached:
                reached.add(found.to)
                waiting.append(found.to)
    ends = {state.name for state in definition.states if state.coarse == CaseState.CLOSED}
    grown = True
    while grown:
        more = {source for found in definition.transitions if found.to in ends for source in found.sources}
        grown = not more <= ends
        ends |= more
    for number, state in enumerate(definition.states):
        if state.name not in reached:
            yield Fault(f"states.{number}", f"nothing leads to {state.name!r}")
        if state.name not in ends:
            yield Fault(f"states.{number}", f"from {state.name!r} nothing leads to a closed state")
        events = [found.on for found in definition.leaving(state.name) if found.on is not None]
        for event in sorted({event for event in events if events.count(event) > 1}):
            yield Fault(f"states.{number}", f"{event!r} would lead from {state.name!r} to two states")
        yield from _circle(definition, number, state)
    yield from _tasks(definition)


def _circle(definition: Definition, number: int, state: State) -> Iterator[Fault]:
    seen = [state.name]
    found = definition.on_event(state.name, AT_ONCE)
    while found is not None:
        if found.to == state.name:
            yield Fault(f"states.{number}", f"{state.name!r} leads at once to itself")
            return
        if found.to in seen:
            return
        seen.append(found.to)
        found = definition.on_event(found.to, AT_ONCE)


def _tasks(definition: Definition) -> Iterator[Fault]:
    events = {found.on for found in definition.transitions}
    for event in sorted(_DRIVEN.get(definition.service_code, frozenset()) - events):
        yield Fault("transitions", f"nothing is done on {event!r}, which the centre tells of this service")
    if "task_issued" not in events:
        return
    for number, state in enumerate(definition.states):
        if state.coarse != CaseState.OPEN and definition.on_event(state.name, "task_issued") is None:
            yield Fault(f"states.{number}", f"a task that comes in {state.name!r} would be lost")


def _rules(definition: Definition, names: set[str]) -> Iterator[Fault]:
    for number, clock in enumerate(definition.clocks):
        for where in ("starts_in", "stops_in", "pauses_in"):
            for name in getattr(clock, where):
                if name not in names:
                    yield Fault(f"clocks.{number}.{where}", f"there is no state {name!r}")
    for number, rule in enumerate(definition.fields):
        if (rule.kind == "choice") != bool(rule.choices):
            yield Fault(f"fields.{number}.choices", "a choice has choices, and nothing else has")
        for name in sorted(set(rule.choice_titles) - set(rule.choices)):
            yield Fault(f"fields.{number}.choice_titles", f"there is no choice {name!r}")
        if rule.asked != "no" and rule.kind == "photo":
            yield Fault(f"fields.{number}.asked", "a photo is sent as a file, it cannot be asked for here")
    if definition.duplicates is not None:
        merged = [found for found in definition.transitions if found.on == MERGED]
        targets = {found.to for found in merged} & names
        if not targets or any(definition.by_name[name].ending != "merged" for name in targets):
            yield Fault(
                "duplicates", 'a transition on = "merged" must lead to a closed state with ending = "merged"'
            )
        elif any(definition.on_event(name, UNMERGED) is None for name in targets):
            yield Fault(
                "duplicates", 'a transition on = "unmerged" must lead out again, so that it can be undone'
            )
    if definition.reopen is not None:
        from central.people.models import Role

        for role in definition.reopen.by:
            if role not in {*Role.values, REPORTER}:
                yield Fault("reopen.by", f"there is no role {role!r}")
