"""Django's registration of this app."""

from django.apps import AppConfig


class IotConfig(AppConfig):
    name = "central.iot"
    label = "iot"
