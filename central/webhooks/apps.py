"""Django's registration of this app."""

from django.apps import AppConfig


class WebhooksConfig(AppConfig):
    name = "central.webhooks"
    label = "webhooks"
