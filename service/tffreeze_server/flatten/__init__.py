"""From a model to the graph that the chosen outputs need, all calls inlined, and the variables in it."""
