"""One address floods the public report endpoint: what it costs everybody else, and the centre."""
