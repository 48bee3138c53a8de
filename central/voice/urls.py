"""Addresses of this app."""

from django.urls import URLPattern

app_name = "voice"
urlpatterns: list[URLPattern] = []
