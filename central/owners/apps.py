"""Django's registration of this app."""

from django.apps import AppConfig


class OwnersConfig(AppConfig):
    name = "central.owners"
    label = "owners"
