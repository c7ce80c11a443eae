"""Identifies this process, detects whether another one has ended, and follows a parent."""

from __future__ import annotations

import os
import signal
import socket
import threading
from multiprocessing import parent_process


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


def leave_with_parent() -> None:
    """Leave Ctrl-C to the process that started this one, and end when that has ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    assert parent is not None, "another process started this one"

    def follow() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
