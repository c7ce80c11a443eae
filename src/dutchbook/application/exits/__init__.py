"""Exits from positions before their contracts resolve."""
