"""Addresses of this app."""

from django.urls import path

from central.webhooks import views

app_name = "webhooks"
urlpatterns = [
    path("systems/", views.systems, name="systems"),
    path("systems/keys/<int:key_id>/revoke/", views.revoke, name="revoke"),
    path("systems/webhooks/<int:webhook_id>/switch/", views.switch, name="switch"),
    path("systems/webhooks/<int:webhook_id>/replay/", views.replay, name="replay"),
]
