"""Owners of vehicles: sealed rows, an audited look-up, and the register of those who want no messages."""
