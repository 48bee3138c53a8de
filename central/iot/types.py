"""Kinds of devices as data: what each measures, how its messages are read, and when it raises an alarm.

A type is a TOML file. Twelve are shipped in ``central/iot/kinds``; a file of the operator's folder (PATROL_CENTRAL_DEVICE_TYPES)
with the same code takes the place of a shipped one. Unknown keys are errors. Nothing in a type is executed: a field names
its place in the message by a JMESPath expression, which can only look.
"""

from __future__ import annotations

import re
import tomllib
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal, Self

import jmespath
from jmespath.exceptions import JMESPathError
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from central.cases.definition import Priority, Titles
from central.iot.engine import Level, Rule, Rules, Silent
from protocol.errors import PatrolError

SHIPPED = Path(__file__).parent / "kinds"
LARGEST = 64 * 1024
EXPRESSION = 120
NODES = 24
"""Steps of one expression: enough to reach into a message, too few to make work of it."""

DAY_S = 86_400

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
Severity = Literal["critical", "major", "minor", "warning"]
SEVERITIES: tuple[Severity, ...] = ("critical", "major", "minor", "warning")
"""From the worst to the least."""

Value = float | bool | str


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


def _expression(text: str) -> str:
    """Raises `ValueError` for what is no short JMESPath without functions that grow what they get."""
    if len(text) > EXPRESSION:
        raise ValueError(f"an expression has at most {EXPRESSION} characters")
    try:
        parsed = jmespath.compile(text).parsed
    except JMESPathError as error:
        raise ValueError(f"this is not JMESPath: {str(error).splitlines()[0]}") from None
    if _size(parsed) > NODES:
        raise ValueError(f"an expression has at most {NODES} steps")
    return text


def _size(node: dict[str, object]) -> int:
    children = node.get("children", [])
    return 1 + sum(_size(child) for child in children if isinstance(child, dict))  # type: ignore[attr-defined]


class Payload(_Part):
    """What a message says of itself."""

    time: str | None = Field(
        default=None,
        description="Where its own time stands: milliseconds, seconds, or ISO 8601; without it the arrival counts.",
    )
    id: str | None = Field(
        default=None, description="Where its own number stands; repetitions have the same."
    )

    @model_validator(mode="after")
    def _readable(self) -> Self:
        for text in (self.time, self.id):
            if text is not None:
                _expression(text)
        return self


class Measured(_Part):
    """One measured field."""

    name: Name
    titles: Titles
    unit: Annotated[str, StringConstraints(max_length=16)] = ""
    kind: Literal["number", "flag", "word"] = "number"
    source: str = Field(alias="from", description="JMESPath to its value in the message.")
    scale: float = 1.0
    offset: float = 0.0
    least: float | None = Field(default=None, description="A number below it is not believed.")
    most: float | None = None
    words: dict[str, Name] = Field(
        default={}, description="What a given value means, by its text; others are not believed."
    )
    says: dict[Name, Titles] = Field(default={}, description="What people read for a word.")
    digits: int = Field(default=1, ge=0, le=6, description="Digits after the point on pages.")

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        _expression(self.source)
        if self.kind == "word" and not self.words:
            raise ValueError("a word needs `words`")
        if self.kind != "word" and self.words and self.kind != "flag":
            raise ValueError("only a word or a flag has `words`")
        if unknown := sorted(set(self.says) - set(self.words.values())):
            raise ValueError(f"`says` names {unknown[0]!r}, which is none of its words")
        if self.kind == "flag" and not set(self.words.values()) <= {"true", "false"}:
            raise ValueError("a flag's words mean true or false")
        if self.kind != "number" and (
            self.least is not None or self.most is not None or self.scale != 1 or self.offset
        ):
            raise ValueError("only a number has scale, offset, least and most")
        return self


class Flapping(_Part):
    """So many raises in so short a time: the alarm then stays until it has been calm for a while."""

    raises: int = Field(ge=2, le=20)
    within_s: int = Field(ge=10, le=DAY_S)
    calm_s: int = Field(ge=10, le=DAY_S)


class AlarmRule(_Part):
    """When a field raises an alarm, and when it clears."""

    name: Name
    titles: Titles
    severity: Severity
    field: Name
    above: float | None = None
    below: float | None = None
    equals: bool | Name | None = None
    clear: float | None = Field(
        default=None, description="Hysteresis: it clears only beyond this, by default at the threshold."
    )
    for_s: int = Field(default=0, ge=0, le=DAY_S, description="How long it must hold without a break.")
    for_messages: int = Field(default=1, ge=1, le=100, description="In how many messages one after another.")
    clear_for_s: int = Field(default=0, ge=0, le=DAY_S, description="How long it must be well again.")
    ends_after_s: int | None = Field(
        default=None,
        ge=10,
        le=7 * DAY_S,
        description="Each message that fits is an event; it ends so long after the last.",
    )
    flapping: Flapping | None = None
    when_silent: Literal["clear", "hold"] = Field(
        default="clear",
        description="What becomes of it when the device has been silent until the escalation.",
    )

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if sum(each is not None for each in (self.above, self.below, self.equals)) != 1:
            raise ValueError("exactly one of above, below and equals is needed")
        if self.clear is not None and self.equals is not None:
            raise ValueError("`clear` belongs to above or below")
        if self.clear is not None and (
            (self.above is not None and self.clear > self.above)
            or (self.below is not None and self.clear < self.below)
        ):
            raise ValueError("`clear` lies on the side of what is well: at most `above`, at least `below`")
        if self.ends_after_s is not None and (
            self.for_s or self.for_messages > 1 or self.clear_for_s or self.flapping
        ):
            raise ValueError(
                "an event is not debounced: leave out for_s, for_messages, clear_for_s and flapping"
            )
        if self.name == "silent":
            raise ValueError("`silent` is the alarm of a device that is not heard")
        return self


class Silence(_Part):
    """When a device is missed."""

    after_s: int = Field(ge=30, le=30 * DAY_S)
    severity: Severity = "minor"
    escalate_after_s: int = Field(ge=30, le=90 * DAY_S, description="Counted from the alarm.")
    escalated: Severity = "major"


class CaseTemplate(_Part):
    """Which case an alarm of a severity opens."""

    service_code: Name = "iot_alarm"
    priority: Priority = "normal"


class DeviceType(_Part):
    """A kind of device."""

    code: Name
    titles: Titles
    period_s: int = Field(ge=1, le=7 * DAY_S, description="How often one reports when nothing happens.")
    events_only: bool = Field(
        default=False, description="A camera or a door: only the fields named here may be in a message."
    )
    payload: Payload = Payload()
    fields: tuple[Measured, ...] = Field(min_length=1, max_length=16)
    alarms: tuple[AlarmRule, ...] = Field(default=(), max_length=12)
    silence: Silence
    cases: dict[Severity, CaseTemplate] = {}
    cap_event: Titles | None = Field(default=None, description="What a public warning calls it.")
    cap_category: Literal[
        "Geo", "Met", "Safety", "Security", "Rescue", "Fire", "Health", "Env", "Transport", "Infra", "Other"
    ] = "Safety"

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        known = {field.name: field for field in self.fields}
        if len(known) != len(self.fields):
            raise ValueError("two fields have the same name")
        if len({rule.name for rule in self.alarms}) != len(self.alarms):
            raise ValueError("two alarms have the same name")
        for rule in self.alarms:
            field = known.get(rule.field)
            if field is None:
                raise ValueError(f"alarms.{rule.name}: there is no field {rule.field!r}")
            if (rule.equals is None) != (field.kind == "number"):
                raise ValueError(
                    f"alarms.{rule.name}: above and below are for numbers, equals for flags and words"
                )
            if field.kind == "flag" and not isinstance(rule.equals, bool):
                raise ValueError(f"alarms.{rule.name}: a flag equals true or false")
            if field.kind == "word" and rule.equals not in field.words.values():
                raise ValueError(
                    f"alarms.{rule.name}: {rule.equals!r} is none of the words of {field.name!r}"
                )
        if self.silence.after_s < self.period_s:
            raise ValueError("silence.after_s is shorter than the period")
        return self

    @cached_property
    def rules(self) -> Rules:
        """What the engine decides by."""
        return Rules(
            tuple(_rule(rule) for rule in self.alarms),
            Silent(
                self.silence.after_s * 1000,
                self.silence.severity,
                self.silence.escalate_after_s * 1000,
                self.silence.escalated,
            ),
        )

    @cached_property
    def by_name(self) -> dict[str, Measured]:
        """Field by its name."""
        return {field.name: field for field in self.fields}

    def alarm_titles(self, kind: str) -> Titles:
        """What an alarm of this type is called."""
        for rule in self.alarms:
            if rule.name == kind:
                return rule.titles
        return SILENT if kind == "silent" else Titles(zh=kind, en=kind)


SILENT = Titles(zh="设备失联", en="Device not heard")


def _rule(rule: AlarmRule) -> Rule:
    if rule.above is not None:
        level = Level("above", rule.above, rule.above if rule.clear is None else rule.clear)
    elif rule.below is not None:
        level = Level("below", rule.below, rule.below if rule.clear is None else rule.clear)
    else:
        level = Level("equals", rule.equals, rule.equals)
    flapping = rule.flapping
    return Rule(
        name=rule.name,
        severity=rule.severity,
        field=rule.field,
        level=level,
        for_ms=rule.for_s * 1000,
        for_messages=rule.for_messages,
        clear_ms=rule.clear_for_s * 1000,
        ends_ms=None if rule.ends_after_s is None else rule.ends_after_s * 1000,
        raises=0 if flapping is None else flapping.raises,
        within_ms=0 if flapping is None else flapping.within_s * 1000,
        calm_ms=0 if flapping is None else flapping.calm_s * 1000,
        hold=rule.when_silent == "hold",
    )


def read(path: Path) -> DeviceType:
    """Read and check one file.

    Raises:
        PatrolError: it cannot be read or makes no sense; the first fault is named with its field, and how many there are.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST + 1)
    except OSError as error:
        raise PatrolError(f"the file cannot be read: {error.strerror}", file=path) from error
    if len(raw) > LARGEST:
        raise PatrolError(f"the file has more than {LARGEST} bytes", file=path)
    try:
        content = tomllib.loads(raw.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise PatrolError(f"this is not TOML: {error}", file=path) from error
    try:
        return DeviceType.model_validate(content)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False, include_context=False)
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        first = found[0]
        problem = re.sub(r"^Value error, ", "", first["msg"])
        field = ".".join(str(part) for part in first["loc"]) or None
        raise PatrolError(
            problem + more, file=path, field=field, mend="See docs/iot.md for every key"
        ) from None


def load(own: Path | None = None) -> dict[str, DeviceType]:
    """Every type by its code: those shipped, and those of the operator's folder, which win.

    Raises:
        PatrolError: a file is wrong, two of one folder have the same code, or the folder is not there.
    """
    known: dict[str, DeviceType] = {}
    for folder in (SHIPPED, own):
        if folder is None:
            continue
        if not folder.is_dir():
            raise PatrolError("there is no such folder of device types", file=folder)
        here: dict[str, Path] = {}
        for path in sorted(folder.glob("*.toml")):
            made = read(path)
            if made.code in here:
                raise PatrolError("two files have the same code", file=path, field="code", value=made.code)
            here[made.code] = path
            known[made.code] = made
    return known
