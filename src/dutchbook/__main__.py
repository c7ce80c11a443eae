"""The program: ``dutchbook`` and ``python -m dutchbook``."""

from __future__ import annotations

import os
import signal

INTERRUPTED = 130


def main() -> None:
    """Run a command; Ctrl-C ends it even while it is being loaded."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))
    from dutchbook.cli.main import main as program

    program()


if __name__ == "__main__":
    main()
