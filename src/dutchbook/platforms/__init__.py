"""Platforms: the paper platforms, and the message formats of the real ones."""
