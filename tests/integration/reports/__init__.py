"""Jobs over the records, against a real PostgreSQL."""
