"""What a reader asked the list for. All of it stands in the address, so a list can be kept, sent and opened again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from urllib.parse import urlencode

SHOWN = ("all", "open", "new", "accepted", "overdue", "watched", "closed", "retracted")
SORTS = ("urgency", "newest")
TEXT_LENGTH = 60


@dataclass(frozen=True, slots=True)
class Filters:
    """One list. Names and order of the fields are those of the address."""

    show: str = "all"
    service: str = ""
    grid: str = ""
    camera: str = ""
    zone: str = ""
    officer: str = ""
    q: str = ""
    sort: str = "urgency"
    before: str = ""

    @classmethod
    def read(cls, given: Mapping[str, str]) -> Filters:
        """From the address; what makes no sense counts as not given, so that an old bookmark never fails."""
        values = {
            field.name: given.get(field.name, "").replace("\x00", "").strip()[:TEXT_LENGTH]
            for field in fields(cls)
        }
        if values["show"] not in SHOWN:
            values["show"] = "all"
        if values["sort"] not in SORTS:
            values["sort"] = "urgency"
        return cls(**values)

    def address(self, **changes: str) -> str:
        """`?show=…` with only what differs from the plain list. A change of any filter begins at the first page."""
        other = replace(self, **{"before": "", **changes})
        plain = Filters()
        kept = {
            field.name: getattr(other, field.name)
            for field in fields(self)
            if field.name == "show" or getattr(other, field.name) != getattr(plain, field.name)
        }
        return "?" + urlencode(kept)

    @property
    def narrowed(self) -> bool:
        """Whether anything beside the state is asked for."""
        return bool(self.service or self.grid or self.camera or self.zone or self.officer or self.q)
