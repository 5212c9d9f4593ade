"""A clinic's appointment desk with an API of its own: for demonstrations and tests, never for patients."""
