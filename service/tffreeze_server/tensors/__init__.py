"""Tensors as bytes: element types, where values stand in files, reading them with their checksums."""
