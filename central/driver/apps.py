"""Django's registration of this app."""

from django.apps import AppConfig


class DriverConfig(AppConfig):
    name = "central.driver"
    label = "driver"

    def ready(self) -> None:
        from django.db.models.signals import post_save

        from central.cases.services import work_order_closing, work_order_issued
        from central.driver import services
        from central.parking.models import Stay

        post_save.connect(services.remember_link, sender=Stay, dispatch_uid="driver.remember_link")
        work_order_issued.connect(services.on_work_order_issued, dispatch_uid="driver.by_hand")
        work_order_closing.connect(services.on_work_order_closing, dispatch_uid="driver.objected")
