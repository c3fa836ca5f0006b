"""A soak of a real server: `make soak`."""
