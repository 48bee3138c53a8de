"""What changed, so that open pages can follow within a moment."""
