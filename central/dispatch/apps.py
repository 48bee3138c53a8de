"""Django's registration of this app."""

from django.apps import AppConfig


class DispatchConfig(AppConfig):
    name = "central.dispatch"
    label = "dispatch"

    def ready(self) -> None:
        from central.cases.services import (
            work_order_accepted,
            work_order_closed,
            work_order_issued,
            work_order_retracted,
        )
        from central.dispatch import rerouting, services
        from central.grids.services import ground_changed, people_changed

        work_order_issued.connect(services.on_issued, dispatch_uid="dispatch.issued")
        work_order_accepted.connect(services.on_accepted, dispatch_uid="dispatch.accepted")
        work_order_retracted.connect(services.on_over, dispatch_uid="dispatch.retracted")
        people_changed.connect(rerouting.people_changed, dispatch_uid="dispatch.people")
        ground_changed.connect(rerouting.ground_changed, dispatch_uid="dispatch.ground")
        work_order_closed.connect(services.on_over, dispatch_uid="dispatch.closed")
