"""Django's registration of this app."""

from django.apps import AppConfig


class ContactConfig(AppConfig):
    name = "central.contact"
    label = "contact"
