"""Verbs of `patrol zones` that need cameras, detectors or past cases."""
