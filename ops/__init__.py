"""Command line, benchmarks and operations."""
