"""Django's registration of this app."""

from django.apps import AppConfig


class PeopleConfig(AppConfig):
    name = "central.people"
    label = "people"

    def ready(self) -> None:
        from django.contrib.auth.signals import user_logged_in

        from central.people.sessions import on_user_logged_in

        user_logged_in.connect(on_user_logged_in, dispatch_uid="people.entered")
