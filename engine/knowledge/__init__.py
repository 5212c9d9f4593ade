"""What a business knows and tells its callers: articles, and how the one that answers a question is found."""
