"""For programs with a key that may read: the shops of its jurisdiction, their colours with reasons, and their inspections.

No owner, no tip-off and no rating of anybody is here; a city's own map or dashboard needs none of them.
"""

from __future__ import annotations

from typing import Any, Literal

from django.http import Http404, HttpRequest
from ninja import Field, Query, Router, Schema

from central.cases.api import PROBLEMS
from central.cases.api_calls import key_with
from central.cases.api_schemas import Problem
from central.shops.models import Shop

router = Router(tags=["shops"])
PAGE = 500
MOST_INSPECTIONS = 200
LARGEST = 2**63 - 1
"""What a database can hold as an id."""

ColourName = Literal["green", "yellow", "red"]
CategoryName = Literal["catering", "retail", "workshop", "lodging"]


class ShopOut(Schema):
    """A shop. Degrees in WGS-84; instants in UTC milliseconds."""

    id: int
    number: str = Field(description="The register's own.")
    name: str
    category: str
    address: str
    longitude: float | None
    latitude: float | None
    grid: str | None = Field(description="Code of its grid.")
    colour: str
    since_ms: int
    risk: int
    rule: str
    inspected_at_ms: int | None
    self_inspected_at_ms: int | None


class ShopsOut(Schema):
    """A page of shops; `next` is `after` of the next page, or null."""

    shops: list[ShopOut]
    next: int | None


class ReasonOut(Schema):
    """Why: what it asks for, its weight, and its words by language."""

    code: str
    colour: str
    weight: int
    text: dict[str, str]


class ColourOut(ShopOut):
    """A shop with the reasons of its colour."""

    reasons: list[ReasonOut]


class InspectionOut(Schema):
    """An inspection: by which list, and what was found item by item (`ok`, `fail` or `none`)."""

    at_ms: int
    kind: str
    checklist: str
    answers: dict[str, str]
    failed: int


@router.get("", response={200: ShopsOut, PROBLEMS: Problem}, operation_id="list_shops")
def list_shops(
    request: HttpRequest,
    colour: ColourName | None = None,
    category: CategoryName | None = None,
    after: int = Query(0, ge=0, le=LARGEST),
    limit: int = Query(100, ge=1, le=PAGE),
) -> dict[str, Any]:
    """Shops in the order of their ids."""
    found = _mine(request).filter(pk__gt=after)
    if colour:
        found = found.filter(colour=colour)
    if category:
        found = found.filter(category=category)
    rows = list(found.order_by("pk")[: limit + 1])
    shown = rows[:limit]
    return {"shops": [_shop(row) for row in shown], "next": shown[-1].pk if len(rows) > limit else None}


@router.get("/{int:shop_id}", response={200: ColourOut, PROBLEMS: Problem}, operation_id="get_shop")
def get_shop(request: HttpRequest, shop_id: int) -> dict[str, Any]:
    """A shop as it stands, with the reasons of its colour."""
    shop = _find(request, shop_id)
    reasons = [
        {name: reason[name] for name in ("code", "colour", "weight")}
        | {"text": {"zh": reason["zh"], "en": reason["en"]}}
        for reason in shop.reasons
    ]
    return _shop(shop) | {"reasons": reasons}


@router.get(
    "/{int:shop_id}/inspections",
    response={200: list[InspectionOut], PROBLEMS: Problem},
    operation_id="list_inspections",
)
def list_inspections(
    request: HttpRequest, shop_id: int, limit: int = Query(20, ge=1, le=MOST_INSPECTIONS)
) -> list[dict[str, Any]]:
    """The inspections of a shop, newest first; nobody is named."""
    rows = _find(request, shop_id).inspections.order_by("-at_ms", "-pk")[:limit]
    return list(rows.values("at_ms", "kind", "checklist", "answers", "failed"))


def _mine(request: HttpRequest) -> Any:
    key = key_with(request, "read")
    return Shop.objects.filter(jurisdiction_id=key.jurisdiction_id, active=True).select_related("grid")


def _find(request: HttpRequest, shop_id: int) -> Shop:
    shop: Shop | None = _mine(request).filter(pk=shop_id).first() if shop_id <= LARGEST else None
    if shop is None:
        raise Http404
    return shop


def _shop(shop: Shop) -> dict[str, Any]:
    names = ("number", "name", "category", "address", "longitude", "latitude", "colour", "risk", "rule")
    return {
        "id": shop.pk,
        **{name: getattr(shop, name) for name in names},
        "grid": shop.grid.code if shop.grid else None,
        "since_ms": shop.colour_since_ms,
        "inspected_at_ms": shop.inspected_at_ms,
        "self_inspected_at_ms": shop.self_inspected_at_ms,
    }
