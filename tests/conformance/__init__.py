"""Frozen graphs beside what TensorFlow makes of the unfrozen model."""
