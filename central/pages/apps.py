"""Django's registration of this app."""

from django.apps import AppConfig


class PagesConfig(AppConfig):
    name = "central.pages"
    label = "pages"
