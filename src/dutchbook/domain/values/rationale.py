"""How long a reason is that a person gives."""

from __future__ import annotations

MEANINGFUL = 10
"""Characters that a rationale has at the least."""
