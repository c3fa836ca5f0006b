"""The report of a freeze."""
