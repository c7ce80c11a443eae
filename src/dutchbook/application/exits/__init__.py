"""Leaving positions before they resolve."""
