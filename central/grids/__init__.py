"""The grid tree of a jurisdiction: who is responsible for which ground."""
