"""Addresses of this app."""

from django.urls import path

from central.clocks import views

app_name = "clocks"
urlpatterns = [
    path("alerts/", views.alerts, name="alerts"),
    path("alerts/count/", views.count, name="count"),
    path("alerts/<int:alert_id>/read/", views.take_note, name="read"),
    path("whistles/<int:party_id>/acknowledge/", views.acknowledge, name="acknowledge"),
]
