"""The versions of PostgreSQL that the project promises: their programs, and the tests run over each."""
