"""Django's registration of this app."""

from django.apps import AppConfig


class NoticesConfig(AppConfig):
    name = "central.notices"
    label = "notices"

    def ready(self) -> None:
        from central.notices.sealing import reseal
        from central.notices.services import on_agent_step
        from central.owners.services import key_changed
        from central.parking.services import agent_stepped

        key_changed.connect(reseal, dispatch_uid="notices.reseal")
        agent_stepped.connect(on_agent_step, dispatch_uid="notices.on_agent_step")
