"""Which value each variable of a model has: from its savers, by name, and from what a loader runs."""
