"""A simulated city platform, and what a call costs the one who takes it."""
