"""From a model and the values of its variables to the frozen graph, weights still references."""
