"""Serves calls over gRPC: the public contract, uploads, planners and results."""
