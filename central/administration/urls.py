"""Addresses of the administration."""

from django.urls import path
from django.views.decorators.http import require_safe
from django.views.generic import RedirectView

from central.administration import catalogue, devices, duty, ground, kinds, people_pages, texts, zones
from central.people.access import EVERYONE, roles

_HOME = RedirectView.as_view(pattern_name="administration:devices")

app_name = "administration"
urlpatterns = [
    path("", roles(*EVERYONE)(require_safe(_HOME)), name="home"),
    path("devices/", devices.devices, name="devices"),
    path("devices/enrol/", devices.enrol, name="enrol"),
    path("devices/<int:number>/disable/", devices.disable, name="disable"),
    path("zones/", zones.zones, name="zones"),
    path("zones/map/", zones.zones_map, name="zones-map"),
    path("grids/", ground.grids, name="grids"),
    path("grids/<int:grid_id>/", ground.hand, name="hand-over"),
    path("grids/decide/<int:number>/", ground.decide, name="decide-officer"),
    path("rosters/", duty.rosters, name="rosters"),
    path("rosters/add/", duty.add, name="add-shifts"),
    path("rosters/<int:shift_id>/remove/", duty.remove, name="remove-shift"),
    path("services/", kinds.services, name="services"),
    path("services/<slug:code>/", kinds.service, name="service"),
    path("services/<slug:code>/change/", kinds.change_service, name="change-service"),
    path("calendar/", catalogue.calendar, name="calendar"),
    path("calendar/day/", catalogue.set_day, name="set-day"),
    path("calendar/week/", catalogue.set_week, name="set-week"),
    path("calendar/import/", catalogue.import_days, name="import-days"),
    path("texts/", texts.texts, name="texts"),
    path("texts/change/", texts.change_text, name="change-text"),
    path("texts/preview/", texts.preview, name="preview-text"),
    path("people/", people_pages.people, name="people"),
    path("people/add/", people_pages.add, name="add-person"),
    path("people/<int:user_id>/", people_pages.change, name="change-person"),
    path("people/<int:user_id>/active/", people_pages.open_or_close, name="open-or-close"),
    path("people/<int:user_id>/link/", people_pages.new_link, name="link"),
    path("people/<int:user_id>/second-factor/", people_pages.reset_factor, name="reset-factor"),
]
