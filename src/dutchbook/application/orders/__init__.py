"""The last door before a send."""
