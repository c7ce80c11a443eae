"""Reads and small guarded changes, one file a model; nothing is loaded unasked."""
