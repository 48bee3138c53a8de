"""Agents with their cameras and health."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from central.administration.common import back, jurisdictions, reads, show, told, writes
from central.fleet import services as fleet
from central.fleet.models import Agent, Stranger
from central.fleet.services import HEALTH_STALE_MS
from central.operations.state import look
from central.operations.words import line
from central.people.policy import writers
from central.people.scopes import unscoped
from central.project.clock import now_ms


@require_safe
@reads("fleet")
def devices(request: HttpRequest) -> HttpResponse:
    """Every agent, those that are silent first, with its cameras; and those that knock without being enrolled."""
    agents = Agent.objects.visible_to(request.user).prefetch_related("cameras")
    rows = []
    for agent in agents.order_by("-enabled", "jurisdiction_id", "agent_id"):
        silent = agent.heard_at_ms is None or agent.heard_at_ms < now_ms() - HEALTH_STALE_MS
        up = agent.enabled and agent.online and not (silent and agent.health_at_ms is not None)
        cameras = sorted(agent.cameras.all(), key=lambda camera: (camera.state == "live", camera.camera_id))
        rows.append({"agent": agent, "up": up, "cameras": cameras})
    rows.sort(key=lambda row: (not row["agent"].enabled, row["up"]))
    knocking = Stranger.objects.visible_to(request.user).order_by("-last_at_ms")[:50]
    centre = []
    if request.user.role in writers("fleet"):
        with unscoped("how the centre itself is: no rows of cases or people"):
            mine = request.user.jurisdictions
            centre = [
                line(finding)
                for finding in look().findings
                if mine is None or finding.facts.get("jurisdiction") in {None, *mine}
            ]
    return show(request, "devices", {"rows": rows, "strangers": knocking, "centre": centre})


@require_POST
@writes("fleet")
def enrol(request: HttpRequest) -> HttpResponse:
    """Listen to an agent from now on."""
    place, name = request.POST.get("j", ""), request.POST.get("agent", "").strip()
    if place not in jurisdictions(request):
        raise Http404
    done = _("The centre listens to %(agent)s.") % {"agent": name}
    with told(request, done), unscoped("the jurisdiction is one of the person's, checked above"):
        fleet.enrol(name, place)
    return back("devices")


@require_POST
@writes("fleet")
def disable(request: HttpRequest, number: int) -> HttpResponse:
    """Listen to it no longer; what it said stays."""
    agent = Agent.objects.visible_to(request.user).filter(pk=number).first()
    if agent is None:
        raise Http404
    done = _("The centre no longer listens to %(agent)s.") % {"agent": agent.agent_id}
    with told(request, done), unscoped("the agent was found in the person's scope above"):
        fleet.disable(agent)
    return back("devices")
