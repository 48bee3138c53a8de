"""Addresses of what phones send and of what an installed page needs."""

from django.urls import path

from central.field import phone, views

app_name = "field"
urlpatterns = [
    path("field/session", views.session, name="session"),
    path("field/submissions", views.submit, name="submissions"),
    path("service-worker.js", phone.service_worker, name="service-worker"),
    path("manifest-<slug:language>.webmanifest", phone.manifest, name="manifest"),
    path("officer/offline/", phone.offline, name="offline"),
]
