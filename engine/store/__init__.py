"""The store's API: port and client."""
