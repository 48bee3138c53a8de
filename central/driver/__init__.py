"""What the driver sees and says: the page behind the link of a warning, without a log-in."""
