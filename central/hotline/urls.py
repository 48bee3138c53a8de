"""Addresses of the hotline."""

from django.urls import path

from central.hotline import intake, views
from central.hotline.city import push

app_name = "hotline"
urlpatterns = [
    path("hotline/", views.desk, name="desk"),
    path("hotline/new/", intake.new, name="new"),
    path("hotline/new/caller/", intake.caller, name="caller"),
    path("hotline/new/places/", intake.places, name="places"),
    path("hotline/new/same/", intake.same, name="same"),
    path("hotline/city/push/", push.push, name="push"),
    path("hotline/calls/<int:call_id>/", views.call, name="call"),
]
