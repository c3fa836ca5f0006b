"""Tensors as bytes: element types, byte ranges in files, reading them with their checksums."""
