"""A whole simulated day: agents, centre and officers at many times the speed, and every published figure against the script."""
