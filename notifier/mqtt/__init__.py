"""The way to the centre: publishes the outbox over MQTT 5 and brings the inbox back."""

from notifier.mqtt._ledger import OnInbox
from notifier.mqtt.config import MqttConfig
from notifier.mqtt.embedded import EmbeddedBroker
from notifier.mqtt.link import LinkState, MqttLink

__all__ = ["EmbeddedBroker", "LinkState", "MqttConfig", "MqttLink", "OnInbox"]
