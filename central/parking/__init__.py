"""What the centre knows of a parked vehicle, and how an agent's messages change its case."""
