"""The hotline: calls, call-backs, visits, and the city's 12345 platform."""
