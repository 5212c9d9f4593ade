"""A business's API over HTTP and JSON: port and client."""
