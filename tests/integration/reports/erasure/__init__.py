"""One caller erased from everywhere."""
