"""Django's registration of this app."""

from django.apps import AppConfig


class ClocksConfig(AppConfig):
    name = "central.clocks"
    label = "clocks"
