"""Ray Serve: thin shells round providers."""
