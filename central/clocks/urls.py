"""Addresses of this app."""

from django.urls import path

from central.clocks import case_part, views

app_name = "clocks"
urlpatterns = [
    path("alerts/", views.alerts, name="alerts"),
    path("alerts/count/", views.count, name="count"),
    path("alerts/<int:alert_id>/read/", views.take_note, name="read"),
    path("whistles/<int:party_id>/acknowledge/", views.acknowledge, name="acknowledge"),
    path("whistles/<int:party_id>/excuse/", case_part.excuse, name="excuse"),
    path("cases/<int:case_id>/clocks/", case_part.clocks, name="case"),
    path("cases/<int:case_id>/clocks/<int:clock_id>/pause/", case_part.pause, name="pause"),
    path("cases/<int:case_id>/clocks/<int:clock_id>/resume/", case_part.resume, name="resume"),
    path("cases/<int:case_id>/whistle/", case_part.blow, name="blow"),
]
