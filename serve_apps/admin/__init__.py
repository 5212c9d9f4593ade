"""The admin's web application."""
