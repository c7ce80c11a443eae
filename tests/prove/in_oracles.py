"""Bugs in what the program and its own checks share: only an oracle of its own sees them."""

from __future__ import annotations

from prove.bug import Bug
from prove.places import LEDGER

ORDER = "domain/execution/order.py"
CODES = "persistence/tables/codes.py"
CHAIN = "persistence/log/chain.py"
VERIFY = "persistence/log/verify.py"
SECOND = "tests/simulation/test_second_oracles.py"

IN_ORACLES = (
    Bug(
        "committed capital is no balance, of an account or of the check of accounts",
        LEDGER,
        "BALANCES = (Bucket.FREE, Bucket.RESERVED, Bucket.COMMITTED)",
        "BALANCES = (Bucket.FREE, Bucket.RESERVED)",
        f"{SECOND} -k capital_of_a_run",
    ),
    Bug(
        "a refused order counts as cancelled, for the engine and for who verifies it",
        ORDER,
        "return OrderStatus.REJECTED",
        "return OrderStatus.CANCELLED",
        "tests/spec/test_reconciliation_matrix.py -k after_a_cell_orders",
    ),
    Bug(
        "the log leaves out reservations, and who replays it does not miss them",
        "ports/tables/capital.py",
        "resolved_once=True,\n    audited=True,",
        "resolved_once=True,",
        f"{SECOND} -k rebuilds_every_row",
    ),
    Bug(
        "every flag is lost on its way to the log, and to who compares it with the rows",
        CODES,
        "Kind.YES_NO: Code(_same, bool),",
        "Kind.YES_NO: Code(lambda value: 0 * value, bool),",
        f"{SECOND} -k rebuilds_every_row",
    ),
    Bug(
        "no hash covers what an entry changed",
        CHAIN,
        r"\x1f{payload}\x1f{changes or ''}",
        r"\x1f{payload}\x1f",
        "tests/integration/test_crashes.py -k hedge",
    ),
    Bug(
        "a database is verified by its log alone, and fees are rounded away",
        VERIFY,
        "return [*found, *(problem for check in checks for problem in check(tables))]",
        "return [*found] if checks else []",
        f"{SECOND} -k stands_where",
        also=(
            (
                ORDER,
                "fees=Money(self.fees - fees + fill.fee * live),",
                "fees=Money(self.fees - fees + fill.fee.quantize(ZERO + 1) * live),",
            ),
        ),
    ),
)
