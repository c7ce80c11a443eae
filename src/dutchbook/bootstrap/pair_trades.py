"""Builds the services of existing positions: settlement, single legs, inquiries."""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple

from dutchbook.application.exposure.single_leg import SingleLegResolutionService
from dutchbook.application.lifecycle import PairTradeServices
from dutchbook.application.market.second_legs import SecondLegs
from dutchbook.application.orders.gate import Gate
from dutchbook.application.orders.questions import Questions
from dutchbook.application.pair_trades.adjustments import Adjustments
from dutchbook.application.pair_trades.announcements import Announcements
from dutchbook.application.pair_trades.claims import Claims
from dutchbook.application.pair_trades.discrepancies import Disputes
from dutchbook.application.pair_trades.loading import Loader
from dutchbook.application.pair_trades.store import PairTrades
from dutchbook.application.recovery.fill_finality import SettlementFollower
from dutchbook.application.recovery.order_inquiry import Inquiries
from dutchbook.application.recovery.reported_fills import ReportedFills
from dutchbook.application.recovery.trade_streams import TradeStreams
from dutchbook.application.recovery.unfinished import Recovery
from dutchbook.application.recovery.unsettled import Unsettled
from dutchbook.bootstrap.base import Base


def build_pair_trades(base: Base) -> PairTradeServices:
    """Build the pair trades and the services of existing positions."""
    committer, clock, chosen = base.committer, base.clock, base.settings.execution
    wait, parts = chosen.answer_seconds, _parts(base)
    trades, questions, gateways = parts.trades, parts.questions, base.gateways
    second_legs, unsettled = _second_legs(base), Unsettled(clock)
    single_leg = SingleLegResolutionService(
        trades,
        parts.adjustments,
        parts.announce,
        committer,
        clock,
        rules=base.settings.work_rules(),
    )
    committer.subscribe(single_leg.worker.on_event)
    reported = ReportedFills(trades, clock)
    recovery = Recovery(trades, single_leg, second_legs, unsettled, clock)
    inquiries = Inquiries(
        committer,
        questions,
        trades,
        parts.gate,
        recovery,
        single_leg,
        gateways,
        clock,
        answer_seconds=wait,
        person_after=timedelta(seconds=chosen.person_after_seconds),
    )
    disputes = Disputes(base.journal, committer, base.risk, trades, clock, base.ids)
    settling = SettlementFollower(
        trades, recovery, disputes, single_leg, unsettled, gateways, clock, wait
    )
    streams = TradeStreams(gateways, settling, reported, clock, wait)
    committer.subscribe(settling.on_event)
    services = (single_leg, recovery, inquiries, disputes, reported)
    return PairTradeServices(base.journal, second_legs, *parts, settling, streams, *services)


def _second_legs(base: Base) -> SecondLegs:
    made = SecondLegs(
        base.journal,
        base.watchlist,
        base.committer,
        base.clock,
        base.hurdles,
        base.risk.overrides.caps_for,
    )
    base.committer.subscribe(made.on_event)
    return made


class _Parts(NamedTuple):
    """The parts that book and send for pair trades."""

    announce: Announcements
    trades: PairTrades
    loader: Loader
    gate: Gate
    questions: Questions
    adjustments: Adjustments


def _parts(base: Base) -> _Parts:
    """Build the parts that book and send; the gate counts committed fills."""
    committer, risk, clock, ids = base.committer, base.risk, base.clock, base.ids
    capital, watchlist = risk.capital, base.watchlist
    controls, book_age = base.settings.controls(), base.hurdles.book_age
    matches, wait = watchlist.matches, base.settings.execution.answer_seconds
    claims, collar = Claims(matches), controls.price_collar
    announce = Announcements(committer, watchlist, clock, book_age, collar, claims)
    trades = PairTrades(committer, capital, risk.halts, announce, claims, clock, ids)
    gate = Gate(
        capital,
        watchlist,
        controls,
        book_age,
        claims,
        clock,
        journal=base.lease_reader,
        fence=committer.fence,
    )
    committer.subscribe(gate.on_event)
    questions = Questions(clock)
    loader = Loader(base.journal, capital.accounts, matches, ids)
    adjustments = Adjustments(risk, trades, questions, gate, base.gateways, clock, ids, wait)
    return _Parts(announce, trades, loader, gate, questions, adjustments)
