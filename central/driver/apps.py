"""Django's registration of this app."""

from django.apps import AppConfig


class DriverConfig(AppConfig):
    name = "central.driver"
    label = "driver"
