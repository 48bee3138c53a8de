"""A warning before it is written: everything that its text says but the deadline, which only the moment of sending
knows. A text that waited in a queue would promise a time that is not left, or hide time that is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from pydantic import BaseModel, ConfigDict, Field

from notifier.notice import Bay, Language, Notice, NoticeFacts, render, segments, told_deadline
from protocol.clock import Millis
from protocol.messages import NoticeLanguage


@dataclass(frozen=True, slots=True)
class Written:
    """A text, the deadline that it names, and its language (several joined by +)."""

    notice: Notice
    told_until_ms: Millis
    language: str


class LetterBay(BaseModel):
    """A free place nearby."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    distance_m: float = Field(ge=0)


class Letter(BaseModel):
    """What is told to the owner of one vehicle. Kept sealed wherever it is stored: it names a plate."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)
    plate: str = Field(repr=False)
    place: str
    grace_ms: int = Field(gt=0)
    time_zone: str
    reference: str
    languages: tuple[NoticeLanguage, ...] = Field(default=("zh-Hans",), min_length=1)
    sender: str = ""
    opt_out: str = ""
    link: str | None = None
    bays: tuple[LetterBay, ...] = ()
    wording: dict[str, str] = Field(
        default_factory=dict,
        description="Words of the jurisdiction's own, by language; see notifier.wording.",
    )

    def write(self, at_ms: Millis, language: str | None = None) -> Written:
        """The text as it is sent at `at_ms`, by the clock that the driver reads.

        Args:
            at_ms: now, UTC milliseconds.
            language: what the owner prefers, if that is known.

        Raises:
            PatrolError: the time zone or the language is unknown.
        """
        told_ms = told_deadline(at_ms, self.grace_ms)
        facts = NoticeFacts(
            plate=self.plate,
            place=self.place,
            deadline_ms=told_ms,
            time_zone=self.time_zone,
            reference=self.reference,
            sender=self.sender,
            link=self.link,
            bays=tuple(Bay(bay.name, bay.distance_m) for bay in self.bays),
            opt_out=self.opt_out,
        )
        chosen = [language] if language is not None else list(self.languages)
        parts = [render(facts, cast(Language, one), self.wording) for one in chosen]
        text = "\n".join(part.text for part in parts)
        return Written(Notice(text, segments(text), parts[0].values), told_ms, "+".join(chosen))
