"""Running the centre: how it is, what it counts, backup and restore."""
