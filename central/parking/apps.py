"""Django's registration of this app."""

from django.apps import AppConfig


class ParkingConfig(AppConfig):
    name = "central.parking"
    label = "parking"

    def ready(self) -> None:
        from central.cases.catalogue import drive
        from central.cases.services import work_order_closed
        from central.parking.services import report_outcome

        drive(
            "sidewalk_parking",
            frozenset({"task_issued", "task_retracted", "accepted", "outcome", "camera_ended"}),
        )
        work_order_closed.connect(report_outcome, dispatch_uid="parking.report_outcome")
