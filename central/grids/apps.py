"""Django's registration of this app."""

from django.apps import AppConfig


class GridsConfig(AppConfig):
    name = "central.grids"
    label = "grids"
