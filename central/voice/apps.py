"""Django's registration of this app."""

from typing import Any

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class VoiceConfig(AppConfig):
    name = "central.voice"
    label = "voice"

    def ready(self) -> None:
        from central.cases.actions import step_checks
        from central.cases.services import case_moved, case_opened
        from central.contact.reporters import offer_link
        from central.pages.capabilities import Capability, offer
        from central.people.policy import readers
        from central.voice.intake import link_for
        from central.voice.suggest import hear
        from central.voice.tables import call_by_itself, needs_a_meeting

        def opened(case: Any, **_: Any) -> None:
            hear(case)

        def moved(case: Any, move: Any = None, **_: Any) -> None:
            call_by_itself(case, move)

        case_opened.connect(opened, dispatch_uid="voice.hear", weak=False)
        case_moved.connect(moved, dispatch_uid="voice.tables", weak=False)
        offer_link(link_for)
        if needs_a_meeting not in step_checks:
            step_checks.append(needs_a_meeting)
        offer(
            Capability(
                "voice",
                _("I have something to say"),
                _("What residents said, by the clock; answers, round tables, promises, figures."),
                "voice:inbox",
                readers("voice"),
            )
        )
