"""Django's registration of this app."""

from django.apps import AppConfig


class FieldConfig(AppConfig):
    name = "central.field"
    label = "field"
