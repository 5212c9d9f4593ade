"""Where a caller's data is beside the tables, and how it is erased there."""
