"""The public contract, generated from `proto/tffreeze/v1` by `scripts/generate_stubs.py`."""
