"""What happened in a run, in words for a person: the events that matter, the newest first."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from dutchbook.cli.console.state import Note, Tone
from dutchbook.domain import events
from dutchbook.domain.events import Event
from dutchbook.domain.market.contract import ContractMatch, Platform, Side
from dutchbook.domain.values.units import plain

LEFT_OUT: frozenset[type[Event]] = frozenset(
    {
        events.BudgetCommitted,
        events.BudgetReleased,
        events.BudgetReserved,
        events.CommandBegun,
        events.DegradationProtocolActivated,
        events.DegradationProtocolDeactivated,
        events.ExitMarked,
        events.FillListed,
        events.FillSettled,
        events.LegSettled,
        events.OpportunityIdentified,
        events.OrderPlaced,
        events.OrderbookUpdated,
        events.PairsMerged,
        events.PlatformHealthUpdated,
        events.PositionMoved,
        events.ReconciliationComplete,
        events.RecordsChanged,
        events.SingleLegExposureReminder,
    }
)
"""Kinds that are not told: another event tells it, or the screen shows what they are about."""
KEPT = 100
NEVER = datetime.min.replace(tzinfo=UTC)


class News:
    """Turns events into notes; it is called with each event that is committed.

    Edges that were not taken come many times a second: only the last one is kept, wherever it
    stands among the others.
    """

    def __init__(self, matches: Mapping[str, ContractMatch]) -> None:
        self._matches = matches
        self._notes: deque[Note] = deque(maxlen=KEPT)
        self._refused: Note | None = None
        self._bought: dict[str, dict[Platform, str]] = {}
        self._leaving: dict[str, str] = {}
        self._paid_out: set[str] = set()
        self._tell: dict[type[Event], Callable[[Any], Note | None]] = {
            events.OpportunityFiltered: self._refusal,
            events.OrderFilled: self._filled,
            events.PositionOpened: self._opened,
            events.ExecutionFailed: self._failed,
            events.OrderOutcomeUnknown: self._unknown,
            events.OrderNeedsPerson: self._order_needs,
            events.SingleLegExposure: self._alone,
            events.SingleLegExposureChanged: self._alone_now,
            events.SingleLegResolved: self._resolved,
            events.PolicyTried: self._tried,
            events.ExitTriggered: self._triggered,
            events.PositionClosed: self._closed,
            events.PositionSettled: self._settled,
            events.ExitPaused: self._paused,
            events.ReconciliationDiscrepancy: self._differs,
            events.CapitalMoved: self._moved,
            **WORDS,
        }

    @property
    def told(self) -> frozenset[type[Event]]:
        """The kinds of events that are told, or that help to tell another."""
        return frozenset(self._tell)

    @property
    def notes(self) -> tuple[Note, ...]:
        """What happened, the newest first."""
        found = [*self._notes, *([self._refused] if self._refused else [])]
        return tuple(sorted(found, key=lambda note: note.at, reverse=True))

    def __call__(self, event: Event, sequence: int) -> None:
        """Take one event."""
        tell = self._tell.get(type(event))
        note = tell(event) if tell is not None and sequence else None
        if note is None:
            return
        dated = replace(note, at=event.stamp.occurred_at)
        if isinstance(event, events.OpportunityFiltered):
            self._refused = dated
        else:
            self._notes.appendleft(dated)

    def _title(self, pair_id: str | None) -> str:
        match = self._matches.get(pair_id or "")
        return match.kalshi.title if match is not None else pair_id or "a pair"

    # Entries
    # -----------------------------------------------------------------------------

    def _refusal(self, event: events.OpportunityFiltered) -> Note:
        edge = event.gross_edge if event.net_edge is None else event.net_edge
        net = "" if event.net_edge is None else " after fees"
        why = _words(event.reason) + (f" ({event.detail})" if event.detail else "")
        title = self._title(event.pair_id)
        return _note(
            f"not taken: {title}, {edge * 100:.1f}c{net}: {why}",
            f"not taken: {title}: {_words(event.reason)}",
        )

    def _filled(self, event: events.OrderFilled) -> None:
        if event.side is Side.BUY and event.filled_size:
            leg = (
                f"{event.outcome.upper()} {_name(event.platform)} {_cents(event.filled_price)}"
            )
            self._bought.setdefault(event.stamp.correlation_id, {})[event.platform] = leg

    def _opened(self, event: events.PositionOpened) -> Note:
        legs = self._bought.pop(event.stamp.correlation_id, {})
        what = f"bought {plain(event.quantity)} {self._title(event.pair_id)}"
        each = event.paid / event.quantity if event.quantity else Decimal(0)
        locked = f"{event.locked_profit:+,.2f} locked"
        tone = Tone.CAUTION if event.completed_at_loss else Tone.PLAIN
        parts = [f"{what}: {' + '.join(legs.values())}"] if len(legs) == len(Platform) else []
        texts = (*parts, f"{what}, {_cents(each)} a pair", what)
        return _note(*texts, amount=locked, tone=tone)

    def _failed(self, event: events.ExecutionFailed) -> Note:
        where = f"{_name(event.platform)} filled nothing"
        why = _words(event.reason)
        return _note(f"{where}: {self._title(event.pair_id)}: {why}", f"{where}: {why}")

    def _unknown(self, event: events.OrderOutcomeUnknown) -> Note:
        text = f"no answer from {_name(event.platform)} about an order: it is asked about"
        return _note(f"{text} ({_words(event.reason)})", text, tone=Tone.CAUTION)

    # Unhedged legs
    # ------------------------------------------------------------------------------

    def _alone(self, event: events.SingleLegExposure) -> Note:
        held, failed = event.filled_leg, event.failed_leg
        what = f"ONE LEG: {plain(event.exposed_quantity)} {held.outcome.upper()}"
        what += f" {_name(held.platform)}"
        why = f"{_name(failed.platform)}: {_words(failed.reason)}"
        title = self._title(event.pair_id)
        return _note(f"{what}, {title}; {why}", f"{what}; {why}", what, tone=Tone.ALARM)

    def _alone_now(self, event: events.SingleLegExposureChanged) -> Note:
        what = f"ONE LEG now: {plain(event.exposed_quantity)} {event.outcome.upper()}"
        what += f" {_name(event.platform)}"
        return _note(f"{what}, {self._title(event.pair_id)}", what, tone=Tone.ALARM)

    def _resolved(self, event: events.SingleLegResolved) -> Note:
        title = self._title(event.pair_id)
        if event.resolution == "retried":
            amount = f"{event.new_edge or 0:+,.2f} locked"
            return _note(f"both legs now: {title}", amount=amount)
        amount = "" if event.realised_pnl is None else f"{event.realised_pnl:+,.2f} closed"
        return _note(f"the one leg is gone: {title}", amount=amount)

    def _tried(self, event: events.PolicyTried) -> Note | None:
        if event.reason is None:
            return None
        why = f"the engine waits for a way out: {_words(event.reason)}"
        return _note(f"{why}: {self._title(event.pair_id)}", why, tone=Tone.CAUTION)

    # Ends of positions
    # ---------------------------------------------------------------------------------

    def _triggered(self, event: events.ExitTriggered) -> Note:
        self._leaving[event.position_id] = _words(event.rule)
        text = f"leaving {self._title(event.pair_id)}"
        return _note(f"{text}: {event.detail}", f"{text}: {_words(event.rule)}", text)

    def _closed(self, event: events.PositionClosed) -> Note | None:
        rule = self._leaving.pop(event.position_id, None)
        if event.position_id in self._paid_out:
            self._paid_out.remove(event.position_id)
            return None
        title, amount = self._title(event.pair_id), f"{event.realised_pnl:+,.2f} closed"
        what = "closed" if rule is None else "left early"
        why = "" if rule is None else f": {rule}"
        return _gain(event.realised_pnl, amount, f"{what}: {title}{why}", f"{what}: {title}")

    def _settled(self, event: events.PositionSettled) -> Note:
        self._paid_out.add(event.position_id)
        amount = f"{event.realised_pnl:+,.2f} closed"
        return _gain(event.realised_pnl, amount, f"paid out: {self._title(event.pair_id)}")

    def _paused(self, event: events.ExitPaused) -> Note:
        text = f"left in vain {event.tries} times: {self._title(event.pair_id)}"
        return _note(f"{text}: {_words(event.reason)}", text, tone=Tone.CAUTION)

    # The rest
    # ----------------------------------------------------------------------------------------

    def _order_needs(self, event: events.OrderNeedsPerson) -> Note:
        what = f"A PERSON MUST LOOK: order on {_name(event.platform)}"
        return _note(f"{what}: {event.detail}", what, tone=Tone.ALARM)

    def _differs(self, event: events.ReconciliationDiscrepancy) -> Note:
        kind = _words(event.discrepancy_type)
        texts = f"A PERSON MUST LOOK: {kind}: dutchbook discrepancies", f"differs: {kind}"
        return _note(*texts, tone=Tone.ALARM)

    def _moved(self, event: events.CapitalMoved) -> Note:
        account = _name(event.account.split(":")[0])
        text = f"{_words(event.kind)}, {account}"
        note = f": {event.note}" if event.note else ""
        return _note(f"{text}{note}", text, amount=f"{event.amount:+,.2f}", tone=Tone.QUIET)


def _note(*texts: str, amount: str = "", tone: Tone = Tone.PLAIN) -> Note:
    """Return a note; its time is filled in by `News`."""
    return Note(NEVER, texts, amount, tone)


def _gain(dollars: Decimal, amount: str, *texts: str) -> Note:
    return _note(*texts, amount=amount, tone=Tone.PLAIN if dollars >= 0 else Tone.CAUTION)


def _alarm(text: Callable[[Any], str]) -> Callable[[Any], Note]:
    return lambda event: _note(text(event), tone=Tone.ALARM)


def _caution(text: Callable[[Any], str]) -> Callable[[Any], Note]:
    return lambda event: _note(text(event), tone=Tone.CAUTION)


def _quiet(text: Callable[[Any], str]) -> Callable[[Any], Note]:
    return lambda event: _note(text(event))


def _words(text: str) -> str:
    return text.replace("_", " ")


def _name(platform: str) -> str:
    return str(platform).capitalize()


def _cents(price: Decimal) -> str:
    """Return dollars with three decimals, or as few as they need."""
    return plain(price.quantize(Decimal("0.001")))


def _health(event: Any) -> str:
    return f"{_name(event.platform)} is {event.status}" + (
        f": {event.detail}" if event.detail else ""
    )


def _limit(event: Any) -> str:
    name = _words(event.limit)
    return f"{name}: {plain(event.value)} of {plain(event.bound)}"


WORDS: dict[type[Event], Callable[[Any], Note]] = {
    events.ReconciliationResolved: _quiet(lambda e: f"resolved: {_words(e.resolution)}"),
    events.SettlementNeedsPerson: _alarm(
        lambda e: f"A PERSON MUST LOOK: {e.kind} on {_name(e.platform)}: {e.detail}"
    ),
    events.FillFailed: _alarm(
        lambda e: f"a fill of {plain(e.size)} on {_name(e.platform)} never happened"
    ),
    events.TradingHalted: _alarm(lambda e: f"HALTED: {_words(e.reason)}: {e.detail}"),
    events.TradingResumed: _quiet(lambda e: f"resumed: {_words(e.reason)}: {e.rationale}"),
    events.LimitApproached: _caution(lambda e: f"limit near, {_limit(e)}"),
    events.LimitBreached: _caution(lambda e: f"limit reached, {_limit(e)}"),
    events.OverrideApplied: _quiet(lambda e: f"limits lifted once: {e.rationale}"),
    events.OverrideDenied: _caution(lambda e: f"limits not lifted: {e.denial_reason}"),
    events.PlatformHealthDegraded: _caution(_health),
    events.PlatformHealthDisconnected: _alarm(_health),
    events.PlatformHealthRecovered: _quiet(_health),
    events.TimeDriftWarning: _caution(lambda e: f"clock off by {plain(e.drift_ms)} ms"),
    events.TimeDriftCritical: _alarm(lambda e: f"clock off by {plain(e.drift_ms)} ms"),
    events.TimeDriftHalt: _alarm(lambda e: f"clock off by {plain(e.drift_ms)} ms"),
    events.SystemHealthCritical: _alarm(lambda e: f"{e.component}: {e.detail}"),
    events.SystemStarted: _quiet(
        lambda e: "started" + (", the last run did not end well" if e.unclean else "")
    ),
    events.SystemStopped: _quiet(lambda e: f"stopped: {e.reason}"),
    events.WindDownStarted: _caution(lambda e: f"winding down: {e.rationale}"),
    events.PairDecided: _quiet(lambda e: f"{e.pair_id}: {_words(e.decision)}"),
    events.ContractChanged: _caution(
        lambda e: f"{_name(e.platform)} changed {e.contract_id}: {', '.join(e.facts)}"
    ),
    events.CommandAnswered: _quiet(
        lambda e: f"{_words(e.name)}: {'done' if e.done else f'not done, {e.detail}'}"
    ),
}
"""What is told of the kinds of events that say everything themselves."""
