"""Django's registration of this app."""

from django.apps import AppConfig


class IngestConfig(AppConfig):
    name = "central.ingest"
    label = "ingest"
