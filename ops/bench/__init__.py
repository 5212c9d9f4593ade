"""Benchmarks, measured from the outside."""
