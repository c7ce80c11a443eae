"""Tells the service manager (systemd) that the engine runs, is alive, and stops.

The protocol is that of sd_notify(3): a datagram of ``NAME=VALUE`` lines to the socket that the
environment names. Without one, nothing is told.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable, Mapping

from dutchbook.ports.time import Clock

READY, STOPPING, ALIVE = "READY=1", "STOPPING=1", "WATCHDOG=1"
MICROSECONDS = 1_000_000


class ServiceManager:
    """The service manager that started this process, if one did.

    Args:
        environment: The variables of the process.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        limit = environment.get("WATCHDOG_USEC", "")
        ours = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self._seconds = int(limit) / MICROSECONDS if ours and limit.isdecimal() else 0.0

    def tell(self, *states: str) -> None:
        """Send states; a manager that cannot be reached changes nothing."""
        if not self._address:
            return
        # An address with an @ is in the abstract namespace, which begins with a zero byte.
        address = self._address
        address = f"\0{address[1:]}" if address.startswith("@") else address
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sending,
        ):
            sending.setblocking(False)
            sending.sendto("\n".join(states).encode(), address)

    async def watched(self, clock: Clock, alive: Callable[[], bool]) -> None:
        """Say three times a term that the process is alive, while it is, until cancelled.

        One whose event loop hangs says nothing, and is killed and started again.
        """
        while self._seconds and self._address:
            if alive():
                self.tell(ALIVE)
            await clock.sleep(self._seconds / 3)
