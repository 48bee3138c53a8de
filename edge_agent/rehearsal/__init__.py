"""Rehearsal: what other zones would have decided on past days, and which decisions flip.

Nothing here writes into an agent's data or decides anything that counts. A past day is decided again by the same
functions that decide live, from what the rest log remembers; a recording is replayed through the whole agent.
"""
