"""Residents' voice: what people have to say, followed in public to its end."""
