"""Identifies this process, and detects whether another one has ended."""

from __future__ import annotations

import os
import socket


def myself() -> str:
    """Return ``host:process``."""
    return f"{socket.gethostname()}:{os.getpid()}"


def gone(holder: str) -> bool:
    """Return whether a process of this host has certainly ended.

    A process of another host, or of an unknown one, may always be running. A process with our
    own number (before a container restart) has ended, or we would not have that number.
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
