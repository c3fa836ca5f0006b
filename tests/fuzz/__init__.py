"""Coverage-guided fuzzing of every parser and of the whole freeze; `make fuzz`."""
