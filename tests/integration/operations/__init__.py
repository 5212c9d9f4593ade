"""Jobs that keep a site in order, against a real PostgreSQL."""
