"""Django's registration of this app."""

from django.apps import AppConfig


class ShopsConfig(AppConfig):
    name = "central.shops"
    label = "shops"

    def ready(self) -> None:
        from django.utils.translation import gettext_lazy as _

        from central.clocks.chores import every
        from central.owners.services import key_changed
        from central.pages.capabilities import Capability, offer
        from central.people.policy import readers
        from central.shops import sealing, sweeping

        key_changed.connect(sealing.reseal, dispatch_uid="shops.reseal")
        every(sweeping.EVERY_MS, "shops", sweeping.sweep)
        offer(
            Capability(
                "shops",
                _("Shop safety codes"),
                _("A code on each door: colour, inspections, expiry, tip-offs, appeals."),
                "shops:list",
                readers("shops"),
            )
        )
