"""Recognition and synthesis: ports, the gRPC contract, providers."""
