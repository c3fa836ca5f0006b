"""TensorFlow graphs as data: loading, naming, op definitions, function bodies."""
