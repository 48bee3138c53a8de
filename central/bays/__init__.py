"""Places where parking is allowed: where they lie, whether they are free, and for whom one is held."""
