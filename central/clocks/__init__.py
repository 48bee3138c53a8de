"""Deadlines in working time, warnings, breaches and escalation."""
