"""Django's registration of this app."""

from django.apps import AppConfig


class IotConfig(AppConfig):
    name = "central.iot"
    label = "iot"

    def ready(self) -> None:
        from central.cases.catalogue import drive
        from central.iot.follow import EVENTS

        drive("iot_alarm", EVENTS)
