"""What follows from messages and time: news for the engine, frames to send, and troubles."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from dutchbook.domain.market.contract import Platform
from dutchbook.errors import MalformedMessage
from dutchbook.platforms.kalshi.stream.account_messages import FillBody, OrderBody
from dutchbook.platforms.kalshi.stream.messages import Message
from dutchbook.ports.market_data import BookUpdate, GridChange, MarketListener
from dutchbook.ports.orders import Connected, FillReport, Gap, OrderReport

KALSHI = Platform.KALSHI


@dataclass(frozen=True, slots=True)
class Send:
    """A frame to send, in this order."""

    frame: bytes


@dataclass(frozen=True, slots=True)
class Reconnect:
    """The connection is of no more use: close it and open another one."""

    reason: str


@dataclass(frozen=True, slots=True)
class BooksConnected:
    """The subscription to books has begun."""


@dataclass(frozen=True, slots=True)
class BooksUnknown:
    """Every book of the platform is unknown; whole ones follow at once for those that are not.

    Attributes:
        reason: What was noticed.
        contract_ids: The contracts whose books are in doubt.
    """

    reason: str
    contract_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Resolved:
    """A contract has a result; it is reported once."""

    contract_id: str


@dataclass(frozen=True, slots=True)
class OrderSeen:
    """A change of one of our orders; `report` is None if the order or its state is unknown."""

    order: OrderBody
    report: OrderReport | None


@dataclass(frozen=True, slots=True)
class FillOfUnknownOrder:
    """A trade of the account that none of our orders is known to explain.

    It may be one whose order has not been answered yet, or one of a person.
    """

    fill: FillBody


@dataclass(frozen=True, slots=True)
class Announced:
    """A message that concerns something other than books, fills and orders."""

    message: Message


@dataclass(frozen=True, slots=True)
class Missed:
    """Messages of a channel without books are missing: what it reports must be read anew."""

    channel: str


@dataclass(frozen=True, slots=True)
class CommandFailed:
    """The server refused a command.

    Attributes:
        code: Its code (docs.kalshi.com, AsyncAPI, error codes, 2026-10).
        text: Its words.
        contract_ids: The contracts that the command named.
    """

    code: int
    text: str
    contract_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Silent:
    """A contract sends no book, neither subscribed anew nor on another connection.

    It is not awaited any more; if a book comes, it is taken.
    """

    contract_id: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A message that could not be read, for the table of dead letters."""

    error: MalformedMessage


@dataclass(frozen=True, slots=True)
class Degraded:
    """So many messages in a row could not be read: the stream must not be relied on."""

    malformed: int


News: TypeAlias = BooksConnected | BooksUnknown | BookUpdate | GridChange | Resolved
TradeNews: TypeAlias = FillReport | Connected | Gap | OrderSeen | FillOfUnknownOrder
Trouble: TypeAlias = Missed | CommandFailed | Silent | Unreadable | Degraded
Output: TypeAlias = Send | Reconnect | News | TradeNews | Announced | Trouble


def tell(outputs: Iterable[Output], listener: MarketListener) -> None:
    """Pass on to a listener what concerns it, in order; the rest is for others."""
    for output in outputs:
        match output:
            case BookUpdate():
                listener.updated(output)
            case GridChange():
                listener.grid_changed(output)
            case Resolved(contract_id):
                listener.resolved(KALSHI, contract_id)
            case BooksUnknown():
                listener.gap(KALSHI)
            case BooksConnected():
                listener.connected(KALSHI)
            case _:
                pass
