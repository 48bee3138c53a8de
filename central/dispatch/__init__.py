"""Who goes: rosters, positions, offers with a lease."""
