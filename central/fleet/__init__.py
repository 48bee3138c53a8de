"""Agents, their cameras and health, and the letters waiting for agents."""
