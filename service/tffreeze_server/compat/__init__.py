"""Drop-in replacements for TensorFlow's tools."""
