"""Settings, addresses, start-up and the process tree of the centre."""
