"""Django's registration of this app."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class IotConfig(AppConfig):
    name = "central.iot"
    label = "iot"

    def ready(self) -> None:
        from central.cases.catalogue import drive
        from central.iot.follow import EVENTS
        from central.pages.capabilities import Capability, offer
        from central.people.policy import readers

        drive("iot_alarm", EVENTS)
        offer(
            Capability(
                "iot",
                _("Devices and alarms"),
                _("Smoke, gas, water, covers, lifts: what devices measure, and what needs somebody."),
                "iot:alarms",
                readers("devices"),
            )
        )
