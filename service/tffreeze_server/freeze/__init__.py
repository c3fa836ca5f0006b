"""The way from a model and its checkpoint to a plan of the frozen graph, and from the plan to bytes."""
