"""What a model is and what would stand in the way of a freeze."""
