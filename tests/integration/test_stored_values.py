"""Values are stored exactly, on both databases, or rejected."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.databases import AnyJournal, by_hand, event, on
from support.rows import ACCOUNT, NOW, order_row

from dutchbook.application.records.rows import SINGLETON as KEY
from dutchbook.domain.events import Stamp, SystemStopped
from dutchbook.errors import StorageError, Unfit
from dutchbook.persistence.database import Database
from dutchbook.persistence.tables.codes import LARGEST, encode_micros
from dutchbook.ports.journal import Batch, Insert, Receipt, Update
from dutchbook.runtime.virtual_time import turnstile

MICRO = Decimal("0.000001")
CASH = {"account_id": str(ACCOUNT)}
LARGEST_AMOUNT = LARGEST * MICRO


@pytest.mark.parametrize(
    "value",
    [
        0.5,
        True,
        Decimal("NaN"),
        Decimal("Infinity"),
        Decimal("1e400"),
        Decimal("1e999999"),
        Decimal("0.0000001"),
        Decimal("1.0000000000000000000000000000000001"),
        LARGEST_AMOUNT + MICRO,
        -LARGEST_AMOUNT - MICRO,
    ],
)
def test_a_value_that_is_no_exact_number_of_millionths_is_rejected(value: Any) -> None:
    with pytest.raises(ValueError, match=r"finer|exact|number"):
        encode_micros(value)


AMOUNTS = st.integers(-LARGEST, LARGEST).map(lambda micros: Decimal(micros).scaleb(-6))
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc"), inner),
    max_leaves=5,
)


@given(
    amounts=st.lists(AMOUNTS, min_size=1, max_size=8),
    instants=st.lists(st.datetimes(timezones=st.just(UTC)), min_size=1, max_size=8),
    documents=st.lists(DOCUMENTS, min_size=1, max_size=8),
)
@settings(
    max_examples=10,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_amounts_instants_and_documents_come_back_from_both_databases(
    database_url: str, amounts: list[Decimal], instants: list[datetime], documents: list[Any]
) -> None:
    Database.at(database_url).prepare("paper")

    kept = asyncio.run(_kept(database_url, amounts, instants, documents))

    wanted = sorted(
        (number, amounts[number % len(amounts)], instant, document)
        for number, (instant, document) in enumerate(zip(instants, documents, strict=False))
    )
    assert kept == wanted


async def _kept(
    url: str, amounts: list[Decimal], instants: list[datetime], documents: list[Any]
) -> list[tuple[int, Decimal, datetime, Any]]:
    """Write alerts and overrides of these values, read them, and mark them as done."""
    journal = Database.at(url).journal(turnstile())
    await journal.open()
    run = len(await journal.rows("alerts"))
    pairs = list(zip(instants, documents, strict=False))
    alerts = [
        Insert("alerts", _alert(f"{run + n}", detail=[document], raised_at=instant))
        for n, (instant, document) in enumerate(pairs)
    ]
    wishes = [
        Insert("risk_override_logs", _wish(f"{run + n}", amounts[n % len(amounts)]))
        for n in range(len(pairs))
    ]
    await journal.commit(Batch((*alerts, *wishes)))
    raised = {row["alert_id"]: row for row in await journal.rows("alerts")}
    wished = {row["override_id"]: row for row in await journal.rows("risk_override_logs")}
    await journal.close()
    return [
        (
            n,
            wished[f"{run + n}"]["override_amount_usd"],
            raised[f"{run + n}"]["raised_at"],
            raised[f"{run + n}"]["detail"][0],
        )
        for n in range(len(pairs))
    ]


def _alert(name: str, **facts: Any) -> dict[str, Any]:
    unknown = dict.fromkeys(("delivered_at", "acknowledged_at", "acknowledged_by"))
    return {"alert_id": name, "severity": "info", "title": "t"} | unknown | facts


def _wish(name: str, amount: Decimal) -> dict[str, Any]:
    return {
        "override_id": name,
        "opportunity_id": "q",
        "rationale": "because",
        "approved": True,
        "original_rejection_reason": "size",
        "override_amount_usd": amount,
        "denial_reason": None,
        "recorded_at": NOW,
    }


def test_rows_are_the_same_on_both_databases(tmp_path: Any, fresh_postgres: str) -> None:
    async def everything(journal: AnyJournal) -> dict[str, list[dict[str, Any]]]:
        await journal.commit(
            Batch(
                (
                    Insert(
                        "dead_letters",
                        {
                            "dead_letter_id": "d",
                            "platform": "kalshi",
                            "reason": "unreadable",
                            "raw": b"\x00\xff{",
                            "received_at": NOW,
                        },
                    ),
                )
            )
        )
        names = ("orders", "open_positions", "fills", "risk_states", "dead_letters")
        return {name: await journal.rows(name) for name in names}

    on_sqlite = on(f"sqlite:///{tmp_path}/x.db", everything)
    on_postgres = on(fresh_postgres, everything)

    assert on_sqlite == on_postgres
    assert repr(on_sqlite) == repr(on_postgres)
    assert isinstance(on_sqlite["orders"][0]["price"], Decimal)
    assert on_sqlite["orders"][0]["created_at"] == NOW
    assert on_sqlite["risk_states"][0]["trading_halted"] is False


@pytest.mark.parametrize("amount", ["'much'", "0.5", "x'00'"])
def test_a_money_column_keeps_whole_millionths_only(tmp_path: Any, amount: str) -> None:
    url = f"sqlite:///{tmp_path}/x.db"
    on(url, _nothing)

    with pytest.raises(StorageError, match="cannot store"):
        by_hand(url, f"UPDATE accounts SET free = {amount}")  # noqa: S608


async def _nothing(journal: AnyJournal) -> None:
    assert journal is not None


UNFIT: list[tuple[Insert | Update, str]] = [
    (Insert("orders", order_row("x", price=Decimal("0.00213457"))), "orders.price"),
    (Insert("orders", order_row("x", size=Decimal("1e30"))), "orders.size"),
    (Insert("orders", order_row("x", fees=Decimal("NaN"))), "orders.fees"),
    (Insert("orders", order_row("x", fees=0.5)), "orders.fees"),
    (Insert("orders", order_row("x", version=2**70)), "orders.version"),
    (
        Insert("orders", order_row("x", created_at=NOW.replace(tzinfo=None))),
        "orders.created_at",
    ),
    (Insert("orders", order_row("x", order_id=7)), "orders.order_id"),
    (Update("accounts", CASH, add={"free": Decimal("1e-7")}), "accounts.free"),
    (Update("accounts", CASH, guard={"reserved": Decimal("NaN")}), "accounts.reserved"),
    (Update("risk_states", KEY, at_most={("open_position_count",): 2**70}), "risk_states.open"),
]
"""A write with a value that no database stores, and its column."""


@pytest.mark.parametrize(("write", "column"), UNFIT, ids=[name for _, name in UNFIT])
def test_a_value_that_no_database_stores_is_named_and_harms_no_neighbour(
    write: Insert | Update, column: str, database_url: str
) -> None:
    async def work(journal: AnyJournal) -> tuple[list[Any], list[str]]:
        results = await asyncio.gather(
            journal.commit(Batch((Insert("orders", order_row("before")),))),
            journal.commit(
                Batch((Insert("orders", order_row("with it")), write), (event("e"),))
            ),
            journal.commit(Batch((Insert("orders", order_row("after")),))),
            return_exceptions=True,
        )
        kept = await journal.rows("orders", order_by=("order_id",))
        return list(results), [row["order_id"] for row in kept]

    (before, rejected, after), kept = on(database_url, work)

    assert isinstance(rejected, Unfit)
    assert f"{rejected.table}.{rejected.column}".startswith(column)
    assert "\n" not in str(rejected)
    assert {type(before), type(after)} == {Receipt}
    assert kept == ["after", "before", "o"]


def test_a_text_loses_no_more_than_the_characters_that_no_database_stores(
    database_url: str,
) -> None:
    async def work(journal: AnyJournal) -> tuple[dict[str, Any], dict[str, Any]]:
        hostile = "half \ud800, nul \0, whole \U0001f600 é"
        order = Insert("orders", order_row("x", refusal=hostile))
        told = SystemStopped(Stamp(hostile, NOW, hostile, hostile), hostile)
        await journal.commit(Batch((order,), (told,)))
        (row,) = await journal.rows("orders", {"order_id": "x"})
        (entry,) = await journal.rows("audit_log", {"event_id": hostile})
        return row, entry

    row, entry = on(database_url, work)

    kept = "half \ufffd, nul \ufffd, whole \U0001f600 é"
    assert row["refusal"] == entry["correlation_id"] == entry["causation_id"] == kept
    assert json.loads(entry["payload"])["reason"] == kept.replace("nul \ufffd", "nul \0")
