"""Django's registration of this app."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class HotlineConfig(AppConfig):
    name = "central.hotline"
    label = "hotline"

    def ready(self) -> None:
        from central.cases.services import case_moved
        from central.hotline.calls import reseal
        from central.hotline.city.outbox import after_moves as tell_city
        from central.hotline.errands import after_moves
        from central.owners.services import key_changed
        from central.pages.capabilities import Capability, offer
        from central.people.policy import readers

        key_changed.connect(reseal, dispatch_uid="hotline.reseal")
        case_moved.connect(after_moves, dispatch_uid="hotline.errands")
        case_moved.connect(tell_city, dispatch_uid="hotline.city")
        offer(
            Capability(
                "hotline",
                _("Hotline"),
                _("Calls, call-backs, visits, and the work orders of the city's 12345 platform."),
                "hotline:desk",
                readers("hotline"),
            )
        )
