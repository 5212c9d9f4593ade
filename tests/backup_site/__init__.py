"""A small call centre's database, and what a test of its backups needs."""
