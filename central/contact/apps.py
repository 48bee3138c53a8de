"""Django's registration of this app."""

from django.apps import AppConfig


class ContactConfig(AppConfig):
    name = "central.contact"
    label = "contact"

    def ready(self) -> None:
        from central.cases.telling import reporters_told
        from central.contact.reporters import on_told
        from central.contact.sealing import reseal
        from central.owners.services import key_changed

        key_changed.connect(reseal, dispatch_uid="contact.reseal")
        reporters_told.connect(on_told, dispatch_uid="contact.on_told")
