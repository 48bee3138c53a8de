"""Zones: where they lie, as boxes tell it, and how often each was right, as officers tell it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from central.administration.common import chosen, reads, show
from central.dispatch.precision import zone_precision
from central.fleet.models import Camera, CameraZones
from central.pages.filters import Filters
from central.people.scopes import unscoped

LISTED = 200
"""Cameras whose zones are written out; the map shows all."""

KINDS = {
    "no_parking": _("No parking"),
    "fire_lane": _("Fire lane"),
    "parking_bay": _("Parking bay"),
    "loading": _("Loading"),
    "ignore": _("Not looked at"),
}
"""What zones mean, in the order of the legend."""


@require_safe
@reads("zones")
def zones(request: HttpRequest) -> HttpResponse:
    """The map, the zones in force for each camera, and what officers found in each, the worst first."""
    place = chosen(request)
    rows = []
    if place:
        with unscoped("counts of a jurisdiction that the person sees whole, see `chosen`"):
            rows = [asdict(row) for row in zone_precision(place)]
    for row in rows:
        row["cases"] = cases_of(f"{row['agent_id']}/{row['camera_id']}", row["zone_id"])
    plans = _plans(request, place)
    context = {
        "rows": rows,
        "plans": [_plan(plan) for plan in plans[:LISTED]],
        "more": max(0, len(plans) - LISTED),
        "drawn": any(_is_drawn(plan) for plan in plans),
        "kinds": KINDS.items(),
    }
    return show(request, "zones", context)


@require_safe
@reads("zones")
def zones_map(request: HttpRequest) -> JsonResponse:
    """What the map draws: cameras with their place and state, and the outlines of their zones, longitude first."""
    place = chosen(request)
    plans = _plans(request, place)
    cameras: QuerySet[Camera] = Camera.objects.visible_to(request.user)
    states = {
        (agent, camera): state if online else "unknown"
        for agent, camera, state, online in cameras.filter(agent__jurisdiction_id=place).values_list(
            "agent_id", "camera_id", "state", "agent__online"
        )
    }
    answer = JsonResponse(
        {
            "cameras": [
                {
                    "name": f"{plan.agent.agent_id}/{plan.camera_id}",
                    "at": None if plan.longitude is None else [plan.longitude, plan.latitude],
                    "state": states.get((plan.agent_id, plan.camera_id), "unknown"),
                    "zones": [
                        {
                            **{key: zone[key] for key in ("kind", "outline")},
                            "name": zone["name"] or zone["zone_id"],
                            "says": str(KINDS.get(zone["kind"], zone["kind"])),
                            "cases": cases_of(f"{plan.agent.agent_id}/{plan.camera_id}", zone["zone_id"]),
                        }
                        for zone in plan.zones
                    ],
                }
                for plan in plans
            ]
        },
        json_dumps_params={"ensure_ascii": False},
    )
    answer["Cache-Control"] = "private, no-cache"
    return answer


def cases_of(camera: str, zone_id: str) -> str:
    """The address of the list of a zone's cases, behind that of the board."""
    return Filters(camera=camera, zone=zone_id).address()


def _plans(request: HttpRequest, place: str) -> list[CameraZones]:
    found: QuerySet[CameraZones] = CameraZones.objects.visible_to(request.user)
    found = found.filter(agent__jurisdiction_id=place, agent__enabled=True)
    return list(found.select_related("agent").order_by("agent__agent_id", "camera_id"))


def _is_drawn(plan: CameraZones) -> bool:
    return plan.longitude is not None or any(zone["outline"] for zone in plan.zones)


def _plan(plan: CameraZones) -> dict[str, Any]:
    camera = f"{plan.agent.agent_id}/{plan.camera_id}"
    return {
        "camera": camera,
        "version": plan.version,
        "author": plan.author,
        "sha256": plan.sha256,
        "told_at_ms": plan.told_at_ms,
        "zones": [
            {
                **zone,
                "says": KINDS.get(zone["kind"], zone["kind"]),
                "cases": cases_of(camera, zone["zone_id"]),
            }
            for zone in plan.zones
        ],
    }
