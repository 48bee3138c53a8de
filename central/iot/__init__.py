"""Things that measure: devices, telemetry, alarms."""
