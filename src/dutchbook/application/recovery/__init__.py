"""Asking about what is not known, and ending what a dead engine left."""
