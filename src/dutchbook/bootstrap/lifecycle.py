"""Builds the services that start, run and stop an engine, and execute commands."""

from __future__ import annotations

from datetime import timedelta

from dutchbook.application.execution.cancel_all import OrderCanceller
from dutchbook.application.lifecycle import (
    EngineLifecycleService,
    PairTradeServices,
    Service,
)
from dutchbook.application.operator.commands import Commands
from dutchbook.application.operator.position_commands import PositionCommands
from dutchbook.application.records.recorder import Recorder
from dutchbook.bootstrap.base import Base
from dutchbook.bootstrap.entries import EntryServices
from dutchbook.bootstrap.exits import ExitServices


def build_lifecycle(
    base: Base,
    recorder: Recorder,
    trading: PairTradeServices,
    entering: EntryServices,
    services: tuple[Service, ...],
    ends: ExitServices,
    poll_seconds: float,
) -> EngineLifecycleService:
    """Build the services that start, run and stop the engine, and execute commands."""
    wait = base.settings.execution
    executions, breaker = entering.executions, entering.breaker
    cancelling = OrderCanceller(
        base.journal,
        trading.trades,
        trading.recovery,
        executions,
        base.gateways,
        wait.answer_seconds,
    )
    positions = _position_commands(base, trading)
    reconciliation = entering.reconciling.commands
    commands = Commands(
        base.journal,
        base.committer,
        base.risk,
        breaker,
        cancelling,
        positions,
        base.clock,
        reconciliation,
    )
    return EngineLifecycleService(
        base.journal,
        base.committer,
        base.risk,
        base.watchlist,
        entering.queue,
        trading,
        recorder,
        base.gateways,
        services,
        ends.exits,
        base.clock,
        breaker=breaker,
        commands=commands,
        cancelling=cancelling,
        poll_seconds=poll_seconds,
        drain_seconds=wait.drain_seconds,
    )


def _position_commands(base: Base, trading: PairTradeServices) -> PositionCommands:
    seconds = base.settings.execution.command_timeout_seconds
    return PositionCommands(
        base.journal,
        base.committer,
        trading.single_leg,
        trading.trades,
        base.watchlist,
        base.clock,
        book_age=base.hurdles.book_age,
        wait=timedelta(seconds=seconds),
    )
