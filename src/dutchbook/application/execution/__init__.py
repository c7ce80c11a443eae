"""Executions, from an opportunity to a position."""
