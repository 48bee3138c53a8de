"""How good drafts of `patrol zones suggest` are, on simulated streets with exact truth."""
