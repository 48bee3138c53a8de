"""From a picture to an observation: the only place where pixels become data for decisions."""

from edge_agent.perception.eyes import Eyes, EyesConfig

__all__ = ["Eyes", "EyesConfig"]
