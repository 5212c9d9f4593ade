"""One call's life: turns, endpointing, transcript."""
