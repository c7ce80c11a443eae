"""Detection of opportunities: edges, quotes and `detect`."""
