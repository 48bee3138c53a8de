"""Django's registration of this app."""

from django.apps import AppConfig


class AdministrationConfig(AppConfig):
    name = "central.administration"
    label = "administration"
