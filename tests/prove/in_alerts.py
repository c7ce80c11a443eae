"""Bugs in what a person is told of."""

from __future__ import annotations

from prove.bug import Bug

IN_ALERTS = (
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
