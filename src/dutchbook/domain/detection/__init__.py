"""Finding what is worth buying: edges, quotes and `detect`."""
