"""How well the agent tells who parked where, from when to when: drawn scenes with exact truth, and real clips.

`script` draws scenes by lot, `play` shows them to the real engine, `score` compares what it said with the truth,
`figures` sums it up, `report` writes it down. Nothing here decides about vehicles.
"""
