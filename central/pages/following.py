"""Server-sent events: tells open pages which topic changed; they fetch what their reader may see."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from django.http import HttpRequest, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_safe

from central.cases.models import Case
from central.live.feed import feed
from central.live.services import DEVICES, FLEET, TASKS, case_topic, officer_topic
from central.people.access import EVERYONE, roles
from central.project.asked import whole

HEARTBEAT_S = 15
GAP_S = 0.3
LIFE_S = 1800
"""A page connects anew now and then, so that one who may no longer look is asked to log in."""


@require_safe
@roles(*EVERYONE)
def changes(request: HttpRequest) -> StreamingHttpResponse:
    """An endless stream of ``event: changed``; `?case=N` follows one case instead of the list, `?mine` what is asked of
    the reader alone, `?devices` alarms of devices."""
    case = whole(request.GET.get("case", ""))
    wanted = {TASKS, FLEET, officer_topic(request.user.pk)}
    if case is not None:
        wanted = {case_topic(get_object_or_404(Case.objects.visible_to(request.user), pk=case).pk)}
    elif "devices" in request.GET:
        wanted = {DEVICES}
    elif "mine" in request.GET:
        wanted = {officer_topic(request.user.pk)}
    response = StreamingHttpResponse(_events(frozenset(wanted)), content_type="text/event-stream")
    response["Cache-Control"] = "no-store"
    response["X-Accel-Buffering"] = "no"
    return response


async def _events(wanted: frozenset[str]) -> AsyncIterator[str]:
    loop = asyncio.get_running_loop()
    ends = loop.time() + LIFE_S
    yield "retry: 1000\n\n"
    async with feed.follow(wanted) as queue:
        while loop.time() < ends:
            try:
                topics = await asyncio.wait_for(queue.get(), HEARTBEAT_S)
            except TimeoutError:
                yield ": still here\n\n"
                continue
            # What waits behind it is told with it: a flood becomes one look every GAP_S.
            while topics is not None and not queue.empty():
                topics = queue.get_nowait()
            if topics is None:
                return
            yield "event: changed\ndata: 1\n\n"
            await asyncio.sleep(GAP_S)
