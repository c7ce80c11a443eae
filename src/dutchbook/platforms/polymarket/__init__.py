"""Polymarket (international): what its messages mean."""
