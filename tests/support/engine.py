"""The program as a child process that logs its orders and freezes itself at a chosen point.

    python engine.py NOTES POINT ARGUMENTS...

The process appends a line to `NOTES` for each order that reaches a paper platform. `POINT` is
where it stops itself (SIGSTOP) at the first order: `nowhere`, `look` (the intent is committed,
the lease not read yet), `approve` (the lease was read, the gate not asked yet) or `transaction`
(SQLite's transaction is written and not committed).
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from dutchbook.application.orders.gate import Gate
from dutchbook.cli.main import main
from dutchbook.persistence.journals.sqlite_writer import Writer
from dutchbook.platforms.paper.exchange import PaperExchange


class Freeze:
    """Stops the process once."""

    def __init__(self) -> None:
        self.done = False

    def now(self) -> None:
        if not self.done:
            self.done = True
            # Sent to this thread, so that it stops here however busy the machine is.
            signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)


def note_sends(notes: Path) -> None:
    submit = PaperExchange.submit

    def noted(self: Any, order: Any, now: Any) -> Any:
        with notes.open("a", encoding="utf-8") as file:
            file.write(f"{os.getpid()} {order.purpose} {order.order_id}\n")
        return submit(self, order, now)

    PaperExchange.submit = noted  # type: ignore[method-assign]


def freeze_at(point: str) -> None:
    freeze = Freeze()
    look, approve, apply = Gate.refresh_lease, Gate.approve, Writer._apply

    async def looked(self: Any) -> None:
        freeze.now()
        await look(self)

    def approved(self: Any, order: Any, epoch: int) -> Any:
        freeze.now()
        return approve(self, order, epoch)

    def applied(self: Any, ready: Any) -> Any:
        receipt = apply(self, ready)
        if any(each.plan.table == "orders" for each in ready[0]):
            freeze.now()
        return receipt

    if point == "look":
        Gate.refresh_lease = looked  # type: ignore[method-assign]
    elif point == "approve":
        Gate.approve = approved  # type: ignore[method-assign]
    elif point == "transaction":
        Writer._apply = applied  # type: ignore[method-assign]


if __name__ == "__main__":
    note_sends(Path(sys.argv[1]))
    freeze_at(sys.argv[2])
    sys.argv = ["dutchbook", *sys.argv[3:]]
    main()
