"""Checks that review would repeat."""
