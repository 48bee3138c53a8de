"""Django's registration of this app."""

from django.apps import AppConfig


class FleetConfig(AppConfig):
    name = "central.fleet"
    label = "fleet"
