"""The page of the city platform: how the exchange goes, what waits, what differs."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from central.hotline.city import outbox
from central.hotline.common import configured, show
from central.hotline.models import CityFeed, CityOrder, CityReport, OrderState
from central.people import policy
from central.people.access import roles

LISTED = 100


@require_safe
@roles(*policy.readers("hotline_city"))
def page(request: HttpRequest) -> HttpResponse:
    """State, orders to accept first, reports that wait, and differences of the last comparison."""
    conf, trouble = configured()
    orders = CityOrder.objects.visible_to(request.user).select_related("case")
    state = request.GET.get("state", "")
    shown = orders.filter(state=state) if state in OrderState.values else orders
    listed = list(shown.order_by("-received_at_ms", "-pk")[:LISTED])
    # Reports of orders that this person sees.
    unsent = CityReport.objects.filter(sent_at_ms__isnull=True, order__in=orders).order_by("pk")
    feed = CityFeed.objects.visible_to(request.user).first()
    context: dict[str, Any] = {
        "trouble": trouble,
        "named": conf.city is not None,
        "feed": feed,
        "orders": listed,
        "counts": [(each.value, each.label, orders.filter(state=each.value).count()) for each in OrderState],
        "state": state,
        "reports": list(unsent.select_related("order")[:LISTED]),
        "unsent": unsent.count(),
        # What lies in no grid of theirs is nobody's business: differences name numbers of all orders.
        "differences": [] if feed is None or request.user.by_grid else feed.differences,
    }
    return show(request, "city", "hotline/city.html", context)


@require_POST
@roles(*policy.writers("hotline_city"))
def again(request: HttpRequest, report_id: int) -> HttpResponse:
    """Send a report now that the city refused or that waits."""
    orders = CityOrder.objects.visible_to(request.user)
    report = get_object_or_404(CityReport.objects.filter(order__in=orders), pk=report_id)
    outbox.send_again(report.pk)
    messages.success(request, _("It is sent again."))
    return HttpResponseRedirect(reverse("hotline:city"))
