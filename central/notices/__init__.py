"""Warnings to owners: asked for by agents, sent once, answered, with what the gateways say of them afterwards."""
