"""Addresses of this app."""

from django.urls import URLPattern

app_name = "iot"
urlpatterns: list[URLPattern] = []
