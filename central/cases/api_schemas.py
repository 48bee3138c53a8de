"""What the API takes and gives. Unknown fields are refused: a typing error in one must not lose what it meant."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from ninja import Schema
from pydantic import ConfigDict, Field, StringConstraints

from central.cases.definition import Name, Source
from central.cases.models import Attachment, Case, Note
from central.cases.rules import definition_of

Ident = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:/-]{0,99}$")]
Text = Annotated[str, StringConstraints(max_length=4000)]
Millis = Annotated[int, Field(ge=0, lt=2**52)]


class Strict(Schema):
    model_config = ConfigDict(extra="forbid")


class PositionIn(Strict):
    """WGS-84, degrees."""

    longitude: Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False)]
    latitude: Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False)]


class ReporterIn(Strict):
    """Kept under seal. The same number is the same reporter."""

    name: Annotated[str, StringConstraints(max_length=80)] = ""
    phone: Annotated[str, StringConstraints(max_length=40)] = ""
    language: Literal["zh-hans", "en"] = "zh-hans"


class CaseIn(Strict):
    """A new case."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "source": "hotline",
                "service_code": "residents_voice",
                "external_id": "12345-2026-000017",
                "text": "3号楼电梯坏了三天",
                "place": "三里河南区3号楼",
                "position": {"longitude": 116.3321, "latitude": 39.9145},
                "reporter": {"phone": "13800138000"},
            }
        },
    )

    source: Source
    service_code: Name
    external_id: Ident | None = Field(
        default=None,
        description="The matter's number in the other system: it makes one case, however often it comes.",
    )
    text: Text = ""
    place: Annotated[str, StringConstraints(max_length=300)] = ""
    plate: Annotated[str, StringConstraints(max_length=12)] = ""
    position: PositionIn | None = None
    reporter: ReporterIn | None = None
    seen_at_ms: Millis | None = Field(
        default=None, description="When it was seen, UTC; now where it is left out."
    )


class TransitionIn(Strict):
    """A step to take."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"transition": "assign", "fields": {"department": "property"}}},
    )

    transition: Name
    fields: dict[str, Any] = Field(default_factory=dict, max_length=20)
    as_reporter: bool = Field(default=False, description="Speak for the one who reported it.")


class NoteIn(Strict):
    """A note."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"text": "已电话回访", "public": False}}
    )

    text: Annotated[str, StringConstraints(min_length=1, max_length=4000)]
    public: bool = False


class CaseOut(Schema):
    """A case as it stands. Nothing of it names the reporter."""

    id: int
    new: bool = True
    source: str
    service_code: str
    state: str = Field(description="watched, open or closed")
    process_state: str
    title_zh: str
    title_en: str
    step: str = Field(description="One of the seven steps of GB/T 30428.")
    ending: str | None = Field(description="How it ended, for a closed case.")
    priority: int
    place: str
    longitude: float | None
    latitude: float | None
    grid: str | None
    opened_at_ms: int
    closed_at_ms: int | None
    reopened: int = Field(description="How often it was opened again.")
    parent: int | None = Field(description="The case that it belongs to.")
    relation: str = Field(description="part, duplicate or empty")
    definition: str | None = Field(description="Hash of the rules that it follows.")


class AttachmentOut(Schema):
    """A photo as it is kept."""

    id: int
    sha256: str
    original_sha256: str
    width: int
    height: int
    size: int
    taken_at_ms: int | None


class NoteOut(Schema):
    """A note as it is kept."""

    id: int
    at_ms: int


class Problem(Schema):
    """Why not (RFC 9457)."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "type": "about:blank",
                "title": "A field makes no sense",
                "status": 422,
                "code": "field",
                "detail": "String should have at most 300 characters",
                "field": "place",
            }
        }
    )

    type: str = "about:blank"
    title: str
    status: int
    code: str
    detail: str = ""
    field: str | None = None


def case_out(case: Case, *, new: bool = True) -> dict[str, Any]:
    """A case for `CaseOut`."""
    state = definition_of(case).by_name[case.process_state]
    return {
        "id": case.pk,
        "new": new,
        "source": case.source,
        "service_code": case.service_code,
        "state": str(case.state),
        "process_state": case.process_state,
        "title_zh": state.titles.zh,
        "title_en": state.titles.en,
        "step": str(case.step),
        "ending": state.ending,
        "priority": case.priority,
        "place": case.place,
        "longitude": case.longitude,
        "latitude": case.latitude,
        "grid": None if case.grid is None else case.grid.code,
        "opened_at_ms": case.opened_at_ms,
        "closed_at_ms": case.closed_at_ms,
        "reopened": case.round,
        "parent": case.parent_id,
        "relation": case.relation,
        "definition": case.definition_id,
    }


def attachment_out(made: Attachment) -> dict[str, Any]:
    """A photo for `AttachmentOut`."""
    return {
        "id": made.pk,
        "sha256": made.stored_sha256,
        "original_sha256": made.original_sha256,
        "width": made.width,
        "height": made.height,
        "size": made.size,
        "taken_at_ms": made.taken_at_ms,
    }


def note_out(made: Note) -> dict[str, Any]:
    """A note for `NoteOut`."""
    return {"id": made.pk, "at_ms": made.at_ms}
