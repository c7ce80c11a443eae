"""Carrying executions from an opportunity to a position."""
