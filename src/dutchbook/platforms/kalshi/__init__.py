"""Kalshi's message formats."""
