"""Writing a plan to a file, a folder, a stream or chunks."""
