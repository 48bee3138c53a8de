"""Django's registration of this app."""

from django.apps import AppConfig


class CasesConfig(AppConfig):
    name = "central.cases"
    label = "cases"

    def ready(self) -> None:
        from central.cases.reporters import reseal
        from central.owners.services import key_changed

        key_changed.connect(reseal, dispatch_uid="cases.reseal")
