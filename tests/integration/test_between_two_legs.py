"""What a person is told when an engine is gone after its first leg was bought."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from support.program import call_here, ended_here
from support.runs import HELD
from support.tapes import CHEAP, FAIR, polls

from dutchbook.application.records.runs import count_run
from dutchbook.bootstrap.paper import build_paper
from dutchbook.config import load
from dutchbook.domain.capital.limits import Approved
from dutchbook.domain.execution.order import Order
from dutchbook.persistence.database import Database
from dutchbook.ports.orders import Delayed, OrderReport
from dutchbook.runtime.clock import TapeClock
from dutchbook.runtime.virtual_time import run_virtual, turnstile
from dutchbook.tape.format import write_tape

pytestmark = pytest.mark.usefixtures("own_home")
Submit = Callable[[Approved[Order]], Awaitable[OrderReport | Delayed]]


def killed_between_two_legs(url: str) -> None:
    """Run an engine that buys its first leg and is gone while the second one is out."""
    database, tape = Database.at(url), polls(CHEAP, CHEAP, FAIR)
    database.prepare("paper")

    async def main() -> None:
        journal = database.journal(turnstile())
        await journal.open()
        number = await count_run(journal)
        clock = TapeClock(tape.meta.first)
        paper = build_paper(load(None, HELD), tape, journal, clock, seed=7, run=number)
        sent: list[Order] = []
        gone = asyncio.Event()

        async def submit(usual: Submit, order: Approved[Order]) -> OrderReport | Delayed:
            sent.append(order.subject)
            if len(sent) > 1:
                gone.set()
                await asyncio.Event().wait()
            return await usual(order)

        for gateway in paper.platforms.gateways.values():
            gateway.submit = partial(submit, gateway.submit)  # type: ignore[method-assign]
        trading = asyncio.ensure_future(paper.trade(number))
        await gone.wait()
        await journal.close()
        trading.cancel()
        await asyncio.wait({trading})

    run_virtual(main())


@pytest.fixture(scope="module")
def left(own_home: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    assert own_home.exists()
    url = f"sqlite:///{tmp_path_factory.mktemp('left')}/paper.db"
    killed_between_two_legs(url)
    return url


def says(url: str, *words: str) -> tuple[int, str]:
    """Return the exit code of a command and what it prints, in one line."""
    code, printed, complaint = ended_here(*words, "--db", url)
    assert not complaint
    return code, " ".join(printed.split())


@pytest.mark.parametrize("words", [("status",), ("positions",), ("exposures",), ("explain",)])
def test_every_command_says_what_was_bought_and_what_is_unanswered(
    left: str, words: tuple[str, ...]
) -> None:
    if words == ("explain",):
        orders = json.loads(call_here("orders", "--json", "--db", left))
        words = ("explain", orders[0]["order_id"])

    code, printed = says(left, *words)

    assert code == (1 if words == ("exposures",) else 0)
    assert "bought 300 YES on kalshi for " in printed
    assert "the NO on polymarket is unanswered; no engine runs: start one" in printed
    for wrong in ("nothing yet", "nothing is exposed", "No position came of it"):
        assert wrong not in printed


@pytest.mark.parametrize("words", [("status",), ("positions",), ("exposures",)])
def test_programs_read_the_same(left: str, words: tuple[str, ...]) -> None:
    _, printed = says(left, *words, "--json")

    found: Any = json.loads(printed)
    (row,) = found["unfinished"] if words == ("status",) else found
    assert row["status"] == "EXECUTING"
    assert row["bought"][0] | {"cost": ""} == {
        "platform": "kalshi", "outcome": "yes", "quantity": "300", "cost": "",
    }  # fmt: skip
    assert row["unhedged"]["quantity"] == "300"
    assert [each["platform"] for each in row["unanswered"]] == ["polymarket"]


def test_the_next_run_says_so_first_also_on_another_tape(left: str, tmp_path: Path) -> None:
    """What is known of contracts that are on no tape stays as it is."""
    whole = tmp_path / "whole.db"
    whole.write_bytes(Path(left.removeprefix("sqlite:///")).read_bytes())
    url = f"sqlite:///{whole}"

    lines = call_here("run", "--speed", "max", "--db", url).splitlines()

    assert "an execution of the last run did not end: bought 300 YES on kalshi" in lines[0]
    code, printed = says(url, "exposures")
    assert code == 1
    assert "300 YES on kalshi" in printed


@pytest.fixture(scope="module")
def asked(left: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database on which a second engine has asked in vain, to the end of its tape."""
    whole = tmp_path_factory.mktemp("asked") / "paper.db"
    whole.write_bytes(Path(left.removeprefix("sqlite:///")).read_bytes())
    url = f"sqlite:///{whole}"
    tape = whole.with_suffix(".tape")
    write_tape(tape, polls(CHEAP, *[FAIR] * 30))
    call_here("run", "--speed", "max", "--tape", str(tape), "--db", url)
    return url


@pytest.mark.parametrize("words", [("status",), ("exposures",), ("position",)])
def test_an_order_that_no_platform_shows_is_left_to_a_person_and_told_of(
    asked: str, words: tuple[str, ...]
) -> None:
    orders = json.loads(call_here("orders", "--json", "--db", asked))
    (order,) = (each for each in orders if each["platform"] == "polymarket")
    if words == ("position",):
        (row,) = json.loads(call_here("positions", "--json", "--db", asked))
        words = ("position", row["position_id"])

    _, printed = says(asked, *words)

    short = order["order_id"][:8]
    assert (
        f"nobody knows yet whether 300 NO were bought on polymarket, order {short}" in printed
    )
    assert f"dutchbook resolve {short} --choice adopt-platform" in printed
    for refused in ("best:", "retry-leg", "close-leg"):
        assert refused not in printed
