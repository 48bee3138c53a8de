"""Django's registration of this app."""

from django.apps import AppConfig


class HotlineConfig(AppConfig):
    name = "central.hotline"
    label = "hotline"
