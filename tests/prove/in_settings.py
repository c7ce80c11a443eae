"""Bugs in how a setting reaches the place where it is judged, and in what may be set."""

from __future__ import annotations

from prove.bug import Bug

CONFIG, HEALTH = "config/__init__.py", "domain/market/health.py"
TABLE = "tests/simulation/test_every_setting.py"


def _wired(setting: str, file: str, old: str, new: str) -> Bug:
    """Return a bug that leaves one setting without its effect."""
    return Bug(f"{setting} is not what is judged", file, old, new, f"{TABLE} -k {setting}")


IN_SETTINGS = (
    _wired(
        "urgent_cost",
        CONFIG,
        "urgent_cost=self.exits.urgent_cost",
        "urgent_cost=self.exits.minimum_gain",
    ),
    _wired(
        "queue_bound",
        "bootstrap/entries.py",
        "bound=settings.execution.queue_bound",
        "bound=256",
    ),
    _wired(
        "order_share",
        CONFIG,
        " order_share=self.risk.order_share",
        " order_share=self.risk.position_share",
    ),
    _wired(
        "recoveries",
        CONFIG,
        "recoveries=self.health.recoveries",
        "recoveries=self.health.failures",
    ),
    _wired("slow_ms", CONFIG, "slow_ms=self.health.slow_ms,\n            ", ""),
    _wired(
        "silence_seconds",
        CONFIG,
        "silence=timedelta(seconds=self.health.silence_seconds)",
        "silence=timedelta(seconds=self.health.protocol_seconds)",
    ),
    _wired(
        "closing_window_seconds",
        CONFIG,
        "timedelta(seconds=self.detection.closing_window_seconds)",
        "timedelta(seconds=120)",
    ),
    _wired(
        "suspicious_edge",
        CONFIG,
        "suspicious_edge=self.detection.suspicious_edge,\n            ",
        "",
    ),
    _wired(
        "critical_ms",
        CONFIG,
        "DriftLimits(self.time.warning_ms, self.time.critical_ms,",
        "DriftLimits(self.time.warning_ms, self.time.warning_ms,",
    ),
    _wired("halt_ms", HEALTH, "(DriftLevel.HALT, self.halt_ms)", "(DriftLevel.HALT, 1_000)"),
    _wired(
        "call_seconds",
        "bootstrap/reconciliation.py",
        "Timeouts(chosen.call_seconds, chosen.whole_seconds)",
        "Timeouts(chosen.whole_seconds, chosen.call_seconds)",
    ),
    _wired(
        "drain_seconds",
        "bootstrap/lifecycle.py",
        "drain_seconds=wait.drain_seconds",
        "drain_seconds=wait.answer_seconds",
    ),
    _wired(
        "stop_loss_share",
        CONFIG,
        "stop_loss_share=self.exits.stop_loss_share",
        "stop_loss_share=self.exits.take_profit_share",
    ),
    _wired(
        "daily_loss_share",
        CONFIG,
        "daily_loss_share=self.risk.daily_loss_share",
        "daily_loss_share=self.risk.order_share",
    ),
    _wired("gas", "domain/positions/exits.py", "owed(fee + rules.gas)", "owed(fee)"),
    _wired(
        "reminder_seconds",
        "application/exposure/reminders.py",
        "if not any(self._due(position, now) <= now for position in unresolved):",
        "if not unresolved:",
    ),
    _wired(
        "results_seconds",
        "application/settlement/payouts.py",
        "self._clock.sleep(self._seconds_to_wait())",
        "self._clock.sleep(CHECK_SECONDS)",
    ),
    Bug(
        "a variable of ours that sets nothing is ignored",
        "config/environment.py",
        "elif name not in NO_SETTINGS and _looks_ours(name, known):",
        "elif name not in NO_SETTINGS and name in known:",
        "tests/spec/test_settings.py -k sets_nothing",
    ),
    Bug(
        "a value that no column holds ends the engine",
        "persistence/journals/statements.py",
        "except (ValueError, TypeError, ArithmeticError) as error:",
        "except ZeroDivisionError as error:",
        "tests/simulation/test_unfit_values.py -k finer",
    ),
    Bug(
        "an order whose answer was not kept is not asked about",
        "application/pair_trades/adjustments.py",
        "            self._questions.notice(order)\n            raise\n",
        "            raise\n",
        "tests/simulation/test_unfit_values.py -k outlives",
    ),
    Bug(
        "the limit of open pairs ignores in-flight ones",
        "application/capital/capital.py",
        "positions = sum(step.state.get(name, 0) for name in POSITIONS)",
        'positions = step.state.get("open_position_count", 0)',
        "tests/simulation/test_open_pairs.py",
    ),
    Bug(
        "one pair counts as many as it has positions",
        "application/capital/at_risk.py",
        "return OpenPairs(len(self.positions), pair_id in self.positions)",
        "return OpenPairs(sum(self.positions.values()), pair_id in self.positions)",
        "tests/simulation/test_open_pairs.py -k one_pair_counts_once",
    ),
    Bug(
        "another program's file is taken for an empty one",
        "persistence/sqlite_connection.py",
        "if not found or not OURS.isdisjoint(found):",
        "if OURS.isdisjoint(found) or found:",
        "tests/integration/test_shell.py -k another_program",
    ),
)
