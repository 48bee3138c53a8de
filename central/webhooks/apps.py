"""Django's registration of this app."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class WebhooksConfig(AppConfig):
    name = "central.webhooks"
    label = "webhooks"

    def ready(self) -> None:
        from django.db.models.signals import post_delete, post_save

        from central.cases.models import ApiKey
        from central.cases.services import case_moved, case_opened, case_placed
        from central.pages.capabilities import Capability, offer
        from central.people.policy import readers
        from central.webhooks import events
        from central.webhooks.models import Subscription

        case_opened.connect(events.opened, dispatch_uid="webhooks.opened")
        case_moved.connect(events.moved, dispatch_uid="webhooks.moved")
        case_placed.connect(events.placed, dispatch_uid="webhooks.placed")
        for model in (Subscription, ApiKey):
            post_save.connect(events.forget, sender=model, dispatch_uid=f"webhooks.{model.__name__}.saved")
            post_delete.connect(events.forget, sender=model, dispatch_uid=f"webhooks.{model.__name__}.gone")
        offer(
            Capability(
                "webhooks",
                _("Other systems"),
                _("Programs that bring and follow cases with a key, and those that are told of them"),
                "webhooks:systems",
                readers("systems"),
            )
        )
