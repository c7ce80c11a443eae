"""Bugs in what a person is told of, and in what becomes of commands that wait."""

from __future__ import annotations

from prove.bug import Bug

COMMANDS = "application/operator/position_commands.py"
TOLD = "tests/simulation/test_position_commands.py"

IN_ALERTS = (
    Bug(
        "a command that expires while it waits for a book is carried out",
        COMMANDS,
        "self._late(row) or await self._book(row, position) or self._late(row)",
        "self._late(row) or await self._book(row, position)",
        f"{TOLD} -k expires",
    ),
    Bug(
        "an engine does not take a command before it sends for it",
        COMMANDS,
        "if not await self._unless_withdrawn(taking):",
        "if not taking:",
        f"{TOLD} -k withdrawn",
    ),
    Bug(
        "an expired wind-down leaves no halt that a person could lift",
        "application/operator/commands.py",
        'if row["name"] != WIND_DOWN:\n            await',
        'if row["name"]:\n            await',
        "tests/simulation/test_commands.py -k expired_wind_down",
    ),
    Bug(
        "a remedy is recommended while an order may have done it",
        "domain/positions/exposure.py",
        "return self.order_out or self",
        "return self",
        "tests/integration/test_between_two_legs.py -k left_to_a_person",
    ),
    Bug(
        "a command goes into a database of a later release",
        "operations/requests.py",
        'database.check("paper", TIMEOUT_SECONDS)',
        "pass",
        "tests/integration/test_shell.py -k later_release",
    ),
    Bug(
        "dust is told as often as what matters",
        "domain/positions/reminding.py",
        "return self.dust if dust else self.small",
        "return self.small",
        "tests/spec/test_reminding.py",
    ),
    Bug(
        "what a program has started survives it",
        "runtime/programs.py",
        "start_new_session=True,",
        "start_new_session=False,",
        "tests/integration/test_programs.py -k killed",
    ),
)
