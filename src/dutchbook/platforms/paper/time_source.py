"""A time server on paper: the same answer every time."""

from __future__ import annotations

from decimal import Decimal


class PaperTime:
    """`TimeSource` that says how far our clock is off, because it was told so."""

    def __init__(self, offset_ms: Decimal) -> None:
        self._offset_ms = offset_ms

    async def offset_ms(self) -> Decimal:
        """Return our clock less the server's, in milliseconds."""
        return self._offset_ms
