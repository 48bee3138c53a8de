"""Django's registration of this app."""

from django.apps import AppConfig


class BaysConfig(AppConfig):
    name = "central.bays"
    label = "bays"

    def ready(self) -> None:
        from central.bays.services import release_at_end
        from central.parking.services import stay_ended

        stay_ended.connect(release_at_end, dispatch_uid="bays.release_at_end")
