"""Pages of those who keep the centre: cameras, grids, rosters, people."""
