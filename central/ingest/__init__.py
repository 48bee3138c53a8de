"""MQTT in and out: receipts that make every message count once, quarantine, the worker."""
