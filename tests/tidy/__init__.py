"""Checks that every review would otherwise repeat."""
