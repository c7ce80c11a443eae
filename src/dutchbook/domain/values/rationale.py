"""Minimum length of a rationale that a person enters."""

from __future__ import annotations

MEANINGFUL = 10
"""Minimum number of characters in a rationale."""
