"""Django's registration of this app."""

from django.apps import AppConfig


class ShopsConfig(AppConfig):
    name = "central.shops"
    label = "shops"
