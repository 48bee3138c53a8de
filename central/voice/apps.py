"""Django's registration of this app."""

from django.apps import AppConfig


class VoiceConfig(AppConfig):
    name = "central.voice"
    label = "voice"
