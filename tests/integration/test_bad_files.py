"""Invalid files: one clear line, and nothing of them is kept.

A tape may be damaged where nobody has read yet when trading begins: what was begun is ended.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from support.program import ROVERS, both, call_here, called, facts, pair_file, rovers
from support.recordings import both as polls
from support.recordings import write

from dutchbook.bootstrap.paper import generated_tape
from dutchbook.config import load
from dutchbook.domain.market.contract import Platform
from dutchbook.operations import admin, requests
from dutchbook.tape.format import write_tape

pytestmark = pytest.mark.usefixtures("own_home")
KALSHI, POLYMARKET = (ROVERS[platform].contract_id for platform in Platform)


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database that knows both contracts, each in a pair with another contract."""
    folder = tmp_path_factory.mktemp("known")
    url = f"sqlite:///{folder}/paper.db"
    contracts = [
        *both(),
        facts(Platform.KALSHI, contract_id="KXOTHER"),
        facts(Platform.POLYMARKET, contract_id="other"),
    ]
    pairs = [
        rovers(kalshi="KXOTHER", match_id="taken"),
        rovers(polymarket="other", match_id="also"),
    ]
    admin.add_pairs(url, pair_file(folder / "a.json", contracts=contracts, pairs=pairs), load())
    return url


def everything(url: str) -> dict[str, Any]:
    tables = ("contracts", "contract_matches", "audit_log", "outbox", "system_metadata")
    return {table: requests.rows(url, table, ()) for table in tables}


Refused = Callable[[Path], str]


@pytest.fixture
def refused(known: str, capsys: pytest.CaptureFixture[str]) -> Refused:
    """Add a pair file; expect one line of rejection and an unchanged database."""
    return lambda file: _refused(known, file, capsys)


def _refused(url: str, file: Path, capsys: pytest.CaptureFixture[str]) -> str:
    before = everything(url)

    code, line = called(capsys, "pairs", "add", str(file), "--db", url)

    assert (code, line.count("\n")) == (2, 1), line
    assert line.startswith(f"dutchbook: {file}: ")
    assert everything(url) == before
    assert admin.problems(url) == []
    return line


NEW = "KXNEW"
"""A contract that the database does not know; a file must give all its facts."""


def new(**fields: Any) -> dict[str, Any]:
    """Return a complete file of one pair: a new contract with `fields`, and a known one."""
    row = facts(Platform.KALSHI, **({"contract_id": NEW} | fields))
    return {"contracts": [row], "pairs": [rovers(kalshi=NEW)]}


def of(**fields: Any) -> dict[str, Any]:
    """Return a complete file of one pair with `fields`, of known contracts."""
    return {"pairs": [rovers(**fields)]}


def elsewhere(**fields: Any) -> dict[str, Any]:
    """Do the same as `new` on the other platform."""
    row = facts(Platform.POLYMARKET, contract_id="new", **fields)
    return {"contracts": [row], "pairs": [rovers(polymarket="new")]}


TERM = {
    "effective_from": "2026-01-01T00:00:00+00:00",
    "taker_rate": "0.07",
    "maker_rate": "0",
    "rounding": "kalshi_direct",
}


def charging(**fields: Any) -> dict[str, Any]:
    return new(fee_type=None, fees=[TERM | fields])


BAD: list[tuple[dict[str, Any], str]] = [
    ({}, "names no pair"),
    ({"pairs": []}, "names no pair"),
    ({"pairs": 3}, "pairs is not a list of tables"),
    ({"couples": []}, "'couples' is not one of its tables: contracts, pairs"),
    # Contracts
    (new(colour="red"), "colour: 'red' is not a field of it"),
    (new(tick="0.3"), "tick: '0.3' is not a tick that divides 1"),
    (new(tick="0.00005"), "tick: '0.00005' is not a tick"),
    (new(tick="NaN"), "tick: 'NaN' is not a finite number"),
    (new(tick=float("nan")), "is not a finite number"),
    (new(tick="Infinity"), "tick: 'Infinity' is not a finite number"),
    (new(tick=None), "does not say tick or price_ranges"),
    (new(price_ranges=[]), "price_ranges: [] is not to stand beside tick"),
    (new(tick=None, price_ranges=[{"start": "0", "end": "2", "step": "1"}]), "within 0 and 1"),
    (new(size_step="NaN"), "size_step: 'NaN' is not a finite number"),
    (new(size_step="0"), "size_step: '0' is not above zero"),
    (new(size_minimum="0.015"), "size_minimum: '0.015' is not above zero, a multiple of 0.01"),
    (new(notional_minimum="-1"), "notional_minimum: '-1' is not zero or more"),
    (new(notional_minimum="0.0000001"), "notional_minimum: '0.0000001' is not a multiple"),
    (new(cent_exact=1), "cent_exact: 1 is not true or false"),
    (new(title=" "), "title: ' ' is not a text that is not empty"),
    (new(rules=None), "does not say rules"),
    (new(rules="half \ud800"), "is not a text without NUL and half characters"),
    (new(title="nul \0"), "is not a text without NUL"),
    (new(close_time="2026-07-11T18:40:00"), "is not a date and time with its zone"),
    (new(close_time="soon"), "close_time: 'soon' is not a date and time"),
    (new(resolution_time="3026-01-01"), "is not a date and time with its zone, 2000 to 2099"),
    (new(cash_delay_hours="Infinity"), "cash_delay_hours: 'Infinity' is not a finite"),
    (new(fee_multiplier="NaN"), "fee_multiplier: 'NaN' is not a finite number"),
    (new(fee_multiplier="0.33333333"), "fee_multiplier: '0.33333333' is not a multiplier"),
    (new(fee_type="flat"), "no published formula for the fee 'flat'"),
    (new(fee_type=None), "does not say its fees"),
    (charging(taker_rate="NaN"), "fees.taker_rate: 'NaN' is not a finite number"),
    (charging(effective_from="2026-01-01"), "is not a date with its zone"),
    (charging(colour="red"), "colour: 'red' is not a field of it"),
    (new(fees=[TERM]), "fee_type: 'quadratic' is not to stand beside fees"),
    (elsewhere(fee_category=None, fee_rate="NaN"), "fee_rate: 'NaN' is not a finite number"),
    (elsewhere(fee_category=None, fee_rate="0.1234567"), "exact to 0.000001"),
    (elsewhere(fee_category="weddings"), "fee_category: 'weddings' is not one of"),
    (elsewhere(fee_category=None, fee_type="quadratic"), "a field of polymarket contracts"),
    (elsewhere(tokens=["1", "1"]), "tokens: ['1', '1'] is not the YES and the NO token"),
    (new(contract_id="KX*"), "that of one contract, without * and ?"),
    (new(platform="nyse"), "platform: 'nyse' is not one of kalshi, polymarket"),
    ({**new(), "contracts": both(contract_id=NEW) * 2}, "contract KXNEW: it is there twice"),
    ({**of(), "contracts": new()["contracts"]}, "names its kalshi contract KXNEW"),
    ({**of(), "contracts": both(tick="0.001")}, "price_ranges: the database has another"),
    # Pairs
    (of(colour="red"), "colour: 'red' is not a field of it"),
    (of(polymarket=None), "polymarket: None is not a text"),
    (of(match_id=""), "match_id: '' is not a text"),
    (of(alignment="askew"), "alignment: 'askew' is not one of same, inverse"),
    (of(divergence_class="none"), "divergence_class: 'none' is not one of identical"),
    (of(divergence_probability="NaN"), "divergence_probability: 'NaN' is not a finite"),
    (of(divergence_probability="0.0000001"), "exact to 0.000001"),
    (of(primary_leg="both"), "primary_leg: 'both' is not one of kalshi, polymarket"),
    (of(kalshi="KXNOBODY"), "KXNOBODY is no kalshi contract that the database knows"),
    (of(polymarket="nobody"), "nobody is no polymarket contract that the database knows"),
    (of(polymarket=KALSHI), f"{KALSHI} is of kalshi; a pair has one of each platform"),
    (of(kalshi="other"), "other is of polymarket; a pair has one of each platform"),
    ({"pairs": [rovers(), rovers(match_id="again")]}, "it is there twice"),
    ({"pairs": [rovers(), rovers(kalshi="KXOTHER")]}, "match_id 'rovers' is there twice"),
    (of(kalshi="KXOTHER"), "the database has it already, as 'taken'"),
    (of(match_id="taken"), "the database has another pair 'taken'; give a match_id"),
    ({"pairs": [rovers(), rovers(kalshi="KXOTHER", match_id="x")]}, "as 'taken'"),
]  # fmt: skip


@pytest.mark.parametrize(("tables", "told"), BAD, ids=[told for _, told in BAD])
def test_an_invalid_pair_file_is_rejected_as_a_whole(
    refused: Refused, tmp_path: Path, tables: dict[str, Any], told: str
) -> None:
    file = pair_file(tmp_path / "pairs.json", **tables)

    assert told in refused(file)


UNREADABLE = [
    ("pairs.toml", b"[[pairs", "not TOML: "),
    ("pairs.toml", b"pairs = [[", "not TOML: "),
    ("pairs.toml", b'[[pairs]]\n"two\\nlines" = 1', "two lines: 1 is not a field of it"),
    ("pairs.toml", b"\xff\xfe", "not TOML: 'utf-8' codec"),
    ("pairs.toml", b"x = 1e999999999999999999999", "beyond all bounds"),
    ("pairs.json", b"{", "not JSON: "),
    ("pairs.json", b"", "not JSON: "),
    ("pairs.json", b"[]", "not an object with tables"),
    ("pairs.json", b'{"pairs": [], "pairs": []}', "not JSON: 'pairs' is there twice"),
    ("pairs.json", b"[" * 100_000, "not JSON of a sane depth"),
]


@pytest.mark.parametrize(("name", "text", "told"), UNREADABLE)
def test_an_unreadable_pair_file_is_rejected_with_the_reason(
    refused: Refused, tmp_path: Path, name: str, text: bytes, told: str
) -> None:
    file = tmp_path / name
    file.write_bytes(text)

    assert told in refused(file)


def test_a_pair_file_that_is_missing_or_not_a_file_is_named(
    refused: Refused, tmp_path: Path
) -> None:
    assert "cannot be read: No such file" in refused(tmp_path / "gone.toml")
    assert "cannot be read: Is a directory" in refused(tmp_path)


def test_a_file_that_a_new_database_would_reject_creates_none(tmp_path: Path) -> None:
    file = pair_file(tmp_path / "pairs.json", pairs=[rovers()])

    line = call_here("pairs", "add", str(file), "--db", f"sqlite:///{tmp_path}/new.db", fails=2)

    assert f"{KALSHI} is no kalshi contract that the database knows" in line
    assert [each.name for each in tmp_path.iterdir()] == ["pairs.json"]


@pytest.mark.parametrize("decision", ["approve", "revoke"])
@pytest.mark.parametrize(
    ("pair", "why", "told"),
    [
        ("nobody's", "the same question", 'no pair has the id "nobody\'s"'),
        ("taken", "hm", "--rationale: 'hm' is not at least 10 characters"),
    ],
)
def test_an_invalid_decision_changes_nothing(
    known: str,
    decision: str,
    pair: str,
    why: str,
    told: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = everything(known)

    words = ("pairs", decision, pair, "--rationale", why, "--db", known)
    code, line = called(capsys, *words)

    assert (code, line.count("\n")) == (2, 1), line
    assert told in line
    assert everything(known) == before
    assert admin.problems(known) == []


CONTRACTS: list[tuple[str | None, str]] = [
    (None, "cannot be read: No such file or directory"),
    ("[[contracts", "not TOML: "),
    ("[[other]]", "'other' is not one of its tables"),
    ('[[contracts]]\nplatform = "kalshi"\ncontract_id = "KXGONE"', "is not in the recording"),
    ('[[contracts]]\nplatform = "kalshi"\ncontract_id = "*"\ntick = "0.3"', "divides 1"),
    ('[[contracts]]\nplatform = "kalshi"\ncontract_id = "*"\ncolour = 1', "colour: 1 is not"),
    ('[[pairs]]\nkalshi = "KXGONE"\npolymarket = "1"', "is not in the recording"),
]


@pytest.mark.parametrize(("text", "told"), CONTRACTS)
def test_an_import_with_a_wrong_contracts_file_makes_no_tape(
    tmp_path: Path, text: str | None, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given, source = tmp_path / "given.toml", write(tmp_path / "both.jsonl", polls(3))
    if text is not None:
        given.write_text(text)
    before = sorted(tmp_path.iterdir())

    words = ("tape", "import", str(source), str(tmp_path / "a.tape"), "--contracts", str(given))
    code, line = called(capsys, *words)

    assert (code, line.count("\n")) == (2, 1), line
    assert line.startswith(f"dutchbook: {given}: ")
    assert told in line
    assert sorted(tmp_path.iterdir()) == before


def test_a_rejection_names_the_place_in_the_file(known: str, tmp_path: Path) -> None:
    rows = [rovers(), rovers(kalshi="KXOTHER", match_id="b", alignment="askew")]
    file = pair_file(tmp_path / "pairs.json", pairs=rows)

    line = call_here("pairs", "add", str(file), "--db", known, fails=2)

    assert line.startswith(f"dutchbook: {file}: pair 2: alignment: 'askew' is not one of")
    assert call_here("db", "verify", "--db", known) == "whole\n"


# Damaged tapes -------------------------------------------------------------------------------


def damaged(path: Path, part: float) -> Path:
    """Write a tape whose rows are damaged from a part of it on, between 0 and 1."""
    write_tape(path, generated_tape(7, minutes=6))
    whole, footer = pq.read_table(path), pq.read_metadata(path).metadata
    with pq.ParquetWriter(path, whole.schema, write_page_checksum=True) as writer:
        writer.write_table(whole, row_group_size=len(whole) // 10)
        writer.add_key_value_metadata(
            {key: footer[key] for key in footer if key.startswith(b"dutchbook")}
        )
    written = pq.read_metadata(path)
    column = written.row_group(int(part * written.num_row_groups)).column(0)
    data = bytearray(path.read_bytes())
    data[column.data_page_offset + column.total_compressed_size - 2] ^= 0xFF
    path.write_bytes(data)
    return path


def test_a_tape_that_is_damaged_at_its_beginning_leaves_nothing(tmp_path: Path) -> None:
    tape, database = damaged(tmp_path / "bad.tape", 0), tmp_path / "paper.db"

    line = call_here("run", "--tape", str(tape), "--db", f"sqlite:///{database}", fails=2)

    assert line.startswith(f"dutchbook: {tape}: damaged: ")
    assert not database.exists()


@pytest.mark.parametrize("speed", ["max", "1000"])
def test_a_tape_that_is_damaged_further_on_ends_an_engine_in_good_order(
    speed: str, tmp_path: Path
) -> None:
    tape, url = damaged(tmp_path / "bad.tape", 0.5), f"sqlite:///{tmp_path}/paper.db"

    line = call_here("run", "--tape", str(tape), "--speed", speed, "--db", url, fails=2)

    assert f"dutchbook: {tape}: damaged: " in line
    *_, last = json.loads(call_here("events", "--json", "--db", url))
    assert last["name"] == "system.stopped"
    assert "bad.tape: damaged: " in last["payload"]
    assert json.loads(call_here("status", "--json", "--db", url))["engine"] is None
    orders = json.loads(call_here("orders", "--json", "--db", url))
    assert orders
    assert {each["working_size"] for each in orders} == {"0"}
    call_here("db", "verify", "--db", url)
