"""Ray core: ingress, pool, calls, hand-over."""
