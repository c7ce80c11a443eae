"""Delay of orders on paper, counted in steps of the tape."""

from __future__ import annotations

import asyncio


class StepLag:
    """Delay of orders: the tape steps from sending until they meet the book.

    On a polled tape a step is one poll cycle: with a lag of one the order meets the books of
    the next poll. When a tape or session ends, all waiting orders meet its last books.

    Attributes:
        step: The step whose messages were applied last.
    """

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self.step = 0
        self._over = False
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []

    async def wait(self, steps: int | None = None) -> None:
        """Wait until the order may meet the book: after `steps`, else the usual number."""
        steps = self._steps if steps is None else steps
        if not steps or self._over:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((self.step + steps, future))
        await future

    def began(self, step: int) -> None:
        """Record the step whose messages are being applied."""
        self.step = step
        self._over = False

    def ended(self, step: int) -> None:
        """Release the orders that waited for `step`; all its messages were applied."""
        self._release(step)

    def release(self) -> None:
        """End the tape or session: no order waits until the next one begins."""
        self._over = True
        self._release(None)

    def _release(self, step: int | None) -> None:
        due = [each for each in self._waiting if step is None or each[0] <= step]
        self._waiting = [each for each in self._waiting if each not in due]
        for _, future in due:
            if not future.done():
                future.set_result(None)
