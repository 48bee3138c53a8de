"""Django's registration of this app."""

from django.apps import AppConfig


class StatisticsConfig(AppConfig):
    name = "central.statistics"
    label = "statistics"
