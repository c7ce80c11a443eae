"""Kalshi's own formats."""
