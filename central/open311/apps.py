"""Django's registration of this app."""

from django.apps import AppConfig


class Open311Config(AppConfig):
    name = "central.open311"
    label = "open311"
