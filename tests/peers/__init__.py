"""Peers that do not keep to the contract."""
