"""Addresses of this app."""

from django.urls import URLPattern

app_name = "contact"
urlpatterns: list[URLPattern] = []
