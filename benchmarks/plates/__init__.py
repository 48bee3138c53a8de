"""Plates drawn by lot and real crops through the reader: how often right, how sure, how fast."""
