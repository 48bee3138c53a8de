"""What the camera side and the centre say to one another, and the few types every house shares.

This package imports nothing else of the project. `edge_agent` and `central` never import each other:
they meet here. Messages are in `protocol.messages`, MQTT topics in `protocol.topics`, the clock port in
`protocol.clock`, the error that reaches a person in `protocol.errors`.
"""

PROTOCOL_VERSION = 1
"""Major version in every message and topic (``patrol/v1/…``). It changes only when an old reader would err."""
