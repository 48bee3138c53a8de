"""Addresses of this app."""

from django.urls import URLPattern

app_name = "shops"
urlpatterns: list[URLPattern] = []
