"""The edge to the network: the only place that imports grpc and the public contract."""
