"""Reads and small guarded changes, one file for each model; nothing is loaded implicitly."""
