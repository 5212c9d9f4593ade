"""Backups of the records' database, and what proves them: taken, kept, verified, restored."""
