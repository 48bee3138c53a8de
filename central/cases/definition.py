"""What a kind of matter is and how it lives, as data: the schema of a service's definition.

Pure: no database, no file. A definition says which states a case can be in, which step of GB/T 30428 each belongs to, what
leads from one to the next, who may do it, and what is promised. `central.cases.process` decides by it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from functools import cached_property
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from central.cases.states import CaseState, ProcessStep, WorkKind
from central.clocks.rules import ClockRule

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Words = Annotated[str, StringConstraints(min_length=1, max_length=80, strip_whitespace=True)]
Priority = Literal["urgent", "high", "normal", "low"]
Part = Literal["collector", "handler", "verifier", "supervisor", "nobody"]
Ending = Literal["fixed", "not_fixed", "refused", "withdrawn", "merged"]
Source = Literal["camera", "person", "hotline", "device", "patrol"]

PRIORITIES: dict[str, int] = {"urgent": 1, "high": 2, "normal": 3, "low": 4}
"""How they are stored: the smaller comes first."""

PARTS: dict[ProcessStep, Part] = {
    ProcessStep.COLLECT: "collector",
    ProcessStep.HANDLE: "handler",
    ProcessStep.VERIFY_CLOSE: "verifier",
}
"""What somebody does who leads a case out of this step."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Titles(_Part):
    """What people read."""

    zh: Words
    en: Words

    def text(self, language: str) -> str:
        """In the language of a reader, by its code."""
        return self.zh if language.lower().startswith("zh") else self.en


class Category(_Part):
    """Where the matter stands in the classification of GB/T 30428.2."""

    code: Annotated[str, StringConstraints(pattern=r"^[0-9]{4,10}$")]
    titles: Titles


class State(_Part):
    """Where a case can be."""

    name: Name
    titles: Titles
    step: ProcessStep = Field(description="One of the seven steps of GB/T 30428.")
    coarse: CaseState = Field(description="What lists and figures count it as: watched, open or closed.")
    initial: bool = False
    ending: Ending | None = Field(
        default=None, description="How a closed case ended; none where the result of its work order says it."
    )
    tell: bool = Field(default=False, description="Whether reporters are told when a case comes here.")


class Transition(_Part):
    """What leads from one state to another, by hand, by something that happens, or both."""

    name: Name
    titles: Titles
    sources: tuple[Name, ...] = Field(alias="from", min_length=1)
    to: Name
    on: Name | None = Field(default=None, description="What happens that takes it by itself.")
    roles: tuple[Name, ...] = Field(default=(), description="Who may take it by hand.")
    acts_as: Part | None = Field(
        default=None, description="What one does by taking it; by default what the step that it leaves says."
    )
    guards: tuple[Name, ...] = ()
    required: tuple[Name, ...] = Field(default=(), description="Fields that must be given.")
    issues: WorkKind | None = Field(
        default=None, description="Which work order is issued with it: the nearest officer is sent."
    )


class FieldRule(_Part):
    """A field of this service's own that a transition can require."""

    name: Name
    titles: Titles
    kind: Literal["text", "integer", "choice", "photo"]
    choices: tuple[Name, ...] = ()
    choice_titles: dict[Name, Titles] = Field(
        default_factory=dict, description="What people read of a choice; its name where it has none."
    )
    asked: Literal["no", "may", "must"] = Field(
        default="no", description="Whether whoever reports such a matter over Open311 is asked for it."
    )
    least: int | None = None
    most: int | None = None

    def choice_text(self, choice: str, language: str) -> str:
        """What people read of a choice."""
        titles = self.choice_titles.get(choice)
        return choice.replace("_", " ") if titles is None else titles.text(language)


class Reopen(_Part):
    """Who may open a closed case again, and for how long."""

    by: tuple[Name, ...] = Field(min_length=1)
    within_days: int = Field(ge=1, le=3650)


class Duplicates(_Part):
    """When two cases tell of the same thing."""

    radius_m: float = Field(gt=0, le=5000)
    minutes: int = Field(ge=1, le=366 * 1440)
    threshold: float = Field(
        default=0.6, gt=0, le=1, description="The least score of cases that are put together."
    )
    same_plate: bool = Field(default=False, description="Whether both must name the same plate.")
    closed: Literal["ignore", "relate", "merge"] = Field(
        default="relate", description="What a case that is closed already does for a new one like it."
    )
    automatic: bool = Field(default=True, description="Whether they are put together, or only suggested.")


class Definition(_Part):
    """A service: everything that the engine must know of a kind of matter."""

    service_code: Name
    titles: Titles
    category: Category
    priority: Priority = "normal"
    sources: tuple[Source, ...] = Field(default=("person",), min_length=1)
    anonymous: bool = Field(default=False, description="Whether it may be reported without a name.")
    publish: Literal["nothing", "place", "words"] = Field(
        default="nothing",
        description="What strangers may read of a case: nothing, where and how it stands, or its text too.",
    )
    states: tuple[State, ...] = Field(min_length=2, max_length=60)
    transitions: tuple[Transition, ...] = Field(min_length=1, max_length=200)
    fields: tuple[FieldRule, ...] = ()
    clocks: tuple[ClockRule, ...] = ()
    reopen: Reopen | None = None
    duplicates: Duplicates | None = None

    @cached_property
    def by_name(self) -> dict[str, State]:
        """State by its name."""
        return {state.name: state for state in self.states}

    @cached_property
    def initial(self) -> State:
        """Where a case begins."""
        return next(state for state in self.states if state.initial)

    @cached_property
    def canonical(self) -> str:
        """JSON with one spelling, from which the definition can be read again."""
        content = self.model_dump(mode="json", by_alias=True)
        return json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))

    @cached_property
    def sha256(self) -> str:
        """What names this version of the rules."""
        return hashlib.sha256(self.canonical.encode()).hexdigest()

    def transition(self, name: str) -> Transition | None:
        """The transition of this name."""
        return next((found for found in self.transitions if found.name == name), None)

    def leaving(self, state: str) -> Iterator[Transition]:
        """What leads out of a state."""
        return (found for found in self.transitions if state in found.sources)

    def on_event(self, state: str, event: str) -> Transition | None:
        """What an event does in a state."""
        return next((found for found in self.leaving(state) if found.on == event), None)

    def part(self, transition: Transition, source: str) -> Part:
        """What one does by taking a transition from a state."""
        return transition.acts_as or PARTS.get(self.by_name[source].step, "nobody")
