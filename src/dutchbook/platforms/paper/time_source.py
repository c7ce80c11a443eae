"""Paper time server: gives the same answer every time."""

from __future__ import annotations

from decimal import Decimal


class PaperTime:
    """`TimeSource` with a configured clock offset."""

    def __init__(self, offset_ms: Decimal) -> None:
        self._offset_ms = offset_ms

    async def offset_ms(self) -> Decimal:
        """Return our clock minus the server's, in milliseconds."""
        return self._offset_ms
