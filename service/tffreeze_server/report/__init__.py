"""What a freeze did, for people and programs."""
