"""What is kept of each call: from the events of the call to rows of PostgreSQL and a stream of Redis."""
