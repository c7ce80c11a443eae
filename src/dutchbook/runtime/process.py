"""Who this process is, and whether another one that said so has ended."""

from __future__ import annotations

import os
import socket


def myself() -> str:
    """Return ``host:process``."""
    return f"{socket.gethostname()}:{os.getpid()}"


def gone(holder: str) -> bool:
    """Tell whether a process of this host has certainly ended.

    One of another host, and one that does not say so, may always be there. One that had our own
    number (a container that was started again) has ended, or we would not have it.
    """
    host, _, number = holder.rpartition(":")
    if host != socket.gethostname() or not number.isdecimal():
        return False
    if int(number) == os.getpid():
        return True
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False
