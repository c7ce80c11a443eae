"""Pairs in the database: added, approved or revoked by a person, and loaded by a run.

For a pair, the database takes precedence over a tape. For a contract, the platform (on paper:
the tape) takes precedence over what is recorded: if its rules or dates differ from those that
were approved, the approval has lapsed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any

from dutchbook.application.records.committer import Committer
from dutchbook.application.records.rows import match_row
from dutchbook.domain.events import PairDecided
from dutchbook.domain.market.contract import Contract, ContractMatch, Platform
from dutchbook.domain.market.pair_file import Key, PairFile
from dutchbook.errors import FactsError, UnknownId
from dutchbook.ports.journal import Batch, Insert, Journal, Update, Write
from dutchbook.ports.tables.market import CONTRACT_MATCHES, CONTRACTS
from dutchbook.ports.time import Clock

LOT = 64
"""Contracts per commit: on PostgreSQL it is one statement, whose bound values are limited."""


async def add_pairs(
    journal: Journal, committer: Committer, clock: Clock, file: PairFile
) -> tuple[ContractMatch, ...]:
    """Add the pairs of a file, unapproved, in one commit, and return them.

    Raises:
        FactsError: A contract is unknown, or a pair or its id exists already; nothing is
            written.
    """
    known = await _contracts(journal)
    matches = file.matched({key: CONTRACTS.value(row) for key, row in known.items()})
    rows = await journal.rows("contract_matches")
    taken = {row["match_id"] for row in rows}
    paired = {(r["kalshi_contract_id"], r["polymarket_contract_id"]): r for r in rows}
    for match, wish in zip(matches, file.wishes, strict=True):
        prefix = f"{file.name}: pair {wish.name}"
        if existing := paired.get((wish.kalshi, wish.polymarket)):
            raise FactsError(
                f"{prefix}: the database has it already, as {existing['match_id']!r}"
            )
        if match.match_id in taken:
            raise FactsError(
                f"{prefix}: the database has another pair {match.match_id!r}; give a match_id"
            )
    writes: list[Write] = [
        Insert("contracts", CONTRACTS.row_of(contract))
        for key, contract in file.contracts.items()
        if key not in known
    ]
    writes += [
        Insert("contract_matches", match_row(match, at=clock.now(), rationale=None))
        for match in matches
    ]
    events = tuple(
        PairDecided(
            committer.stamp(m.match_id), m.match_id, "added", f"from {file.name}", m.digest
        )
        for m in matches
    )
    await committer.commit(Batch(tuple(writes), events))
    return matches


async def decide_pair(
    journal: Journal,
    committer: Committer,
    clock: Clock,
    pair_id: str,
    rationale: str,
    *,
    approve: bool,
) -> None:
    """Approve a pair with its contracts as recorded now, or revoke its approval.

    Raises:
        UnknownId: There is no such pair.
    """
    row = await _row_of(journal, pair_id)
    facts: dict[str, Any] = {
        "operator_approved": approve,
        "operator_approval_timestamp": clock.now() if approve else None,
        "operator_rationale": rationale,
        "version": row["version"] + 1,
    }
    if approve:
        match = _recorded(row, await _contracts(journal))
        facts |= {
            "approved_digest": match.digest,
            "resolution_date": match.resolution_date,
            "kalshi_description": match.kalshi.title,
            "polymarket_description": match.polymarket.title,
        }
    change = Update(
        "contract_matches",
        key={"match_id": pair_id},
        guard={"version": row["version"]},
        put=facts,
    )
    decision = "approved" if approve else "revoked"
    digest = facts.get("approved_digest", row["approved_digest"]) or ""
    event = PairDecided(committer.stamp(pair_id), pair_id, decision, rationale, digest)
    await committer.commit(Batch((change,), (event,)))


def still_approved(match: ContractMatch) -> Update:
    """Return the update that lets an entry commit only while its pair's approval is unchanged.

    If another process revokes the approval, the next entry is rejected (I-19).
    """
    return Update(
        "contract_matches",
        key={"match_id": match.match_id},
        guard={"operator_approved": True, "approved_digest": match.approved_digest},
        put={"operator_approved": True},
    )


async def pair_rows(journal: Journal) -> list[dict[str, Any]]:
    """Return every row of `contract_matches` with its `approval`.

    That is "approved", "not approved", or "lapsed": approved once, but for other rules or dates
    than those recorded now.
    """
    contracts = await _contracts(journal)
    rows = await journal.rows("contract_matches", order_by=("match_id",))
    return [{**row, "approval": _approval(_recorded(row, contracts))} for row in rows]


async def recorded_pairs(journal: Journal) -> dict[str, ContractMatch]:
    """Return every pair by its id, with its contracts as they are recorded."""
    contracts = await _contracts(journal)
    rows = await journal.rows("contract_matches", order_by=("match_id",))
    return {row["match_id"]: _recorded(row, contracts) for row in rows}


async def pair_in_full(journal: Journal, pair_id: str) -> dict[str, Any]:
    """Return what a person must compare: both contracts, and which of their facts differ.

    Raises:
        UnknownId: There is no such pair, or a contract of it is not recorded.
    """
    match = _recorded(await _row_of(journal, pair_id), await _contracts(journal))
    facts = ("title", "rules", "close_time", "resolution_time")
    return {
        "match_id": pair_id,
        "alignment": match.alignment.value,
        "divergence_class": match.divergence_class.value,
        "divergence_probability": match.divergence_probability,
        "approval": _approval(match),
        "contracts": {
            each.platform.value: {
                "contract_id": each.contract_id,
                **{name: getattr(each, name) for name in facts},
            }
            for each in (match.kalshi, match.polymarket)
        },
        "differs": [
            name
            for name in facts
            if getattr(match.kalshi, name) != getattr(match.polymarket, name)
        ],
    }


async def _row_of(journal: Journal, pair_id: str) -> dict[str, Any]:
    """Return the row of a pair.

    Raises:
        UnknownId: There is no such pair.
    """
    found = await journal.rows("contract_matches", {"match_id": pair_id})
    if not found:
        raise UnknownId("pair", pair_id)
    return found[0]


def _approval(match: ContractMatch) -> str:
    if not match.operator_approved:
        return "not approved"
    return "approved" if match.tradable else "lapsed"


async def traded_pairs(
    journal: Journal, contracts: Iterable[Contract], pairs: Iterable[ContractMatch]
) -> tuple[ContractMatch, ...]:
    """Return the pairs that a run on a tape follows: the tape's own and the database's.

    Args:
        journal: Where pairs were added and decided on. For a pair in both, it takes precedence.
        contracts: The tape's contracts. A pair with a contract that is not among them is
            skipped.
        pairs: The tape's own pairs.

    Returns:
        The tape's pairs first, in its order. Where tape and database align two contracts
        differently, the approval's digest covers another alignment, and nothing is traded.
    """
    held = {(each.platform, each.contract_id): each for each in contracts}
    ours: dict[tuple[str, str], ContractMatch] = {}
    for row in await journal.rows("contract_matches", order_by=("match_id",)):
        kalshi, polymarket = (held.get(key) for key in _keys(row))
        if kalshi and polymarket:
            match = CONTRACT_MATCHES.value(row, {"kalshi": kalshi, "polymarket": polymarket})
            ours[kalshi.contract_id, polymarket.contract_id] = match
    found = []
    for match in pairs:
        mine = ours.pop((match.kalshi.contract_id, match.polymarket.contract_id), None)
        found.append(replace(mine, alignment=match.alignment) if mine else match)
    names = {match.match_id for match in ours.values()}
    return (*(match for match in found if match.match_id not in names), *ours.values())


async def know_contracts(
    journal: Journal, committer: Committer, contracts: Iterable[Contract]
) -> None:
    """Record the platforms' current contract facts where they are new or have changed."""
    known = await _contracts(journal)
    writes: list[Write] = []
    for contract in contracts:
        row = CONTRACTS.row_of(contract)
        key = {name: row[name] for name in ("platform", "contract_id")}
        before = known.get((contract.platform, contract.contract_id))
        if before is None:
            writes.append(Insert("contracts", row))
        elif before != row:
            put = {name: value for name, value in row.items() if name not in key}
            writes.append(Update("contracts", key=key, put=put))
    waiting = iter(writes)
    while lot := tuple(islice(waiting, LOT)):
        await committer.commit(Batch(lot))


async def _contracts(journal: Journal) -> dict[Key, Mapping[str, Any]]:
    rows = await journal.rows("contracts", order_by=("platform", "contract_id"))
    return {(Platform(row["platform"]), row["contract_id"]): row for row in rows}


def _keys(row: Mapping[str, Any]) -> tuple[Key, Key]:
    return (
        (Platform.KALSHI, row["kalshi_contract_id"]),
        (Platform.POLYMARKET, row["polymarket_contract_id"]),
    )


def _recorded(
    row: Mapping[str, Any], contracts: Mapping[Key, Mapping[str, Any]]
) -> ContractMatch:
    """Return the pair of a row, with its contracts as recorded.

    Raises:
        UnknownId: A contract is not recorded.
    """
    for platform, contract_id in _keys(row):
        if (platform, contract_id) not in contracts:
            raise UnknownId(f"{platform.value} contract", contract_id)
    legs = {key[0].value: CONTRACTS.value(contracts[key]) for key in _keys(row)}
    return CONTRACT_MATCHES.value(row, legs)
