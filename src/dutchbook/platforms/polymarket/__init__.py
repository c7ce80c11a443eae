"""Polymarket's message formats (the international platform)."""
