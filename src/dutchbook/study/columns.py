"""The runs of a study as a Parquet table: a row for each, money as exact decimals."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import pyarrow as pa

from dutchbook.domain.pair_trades.attribution import Attribution
from dutchbook.domain.values.units import MICRO
from dutchbook.study.runs import Run, Study

KEY = b"dutchbook.study"
"""Key of the metadata: a JSON object."""
SCHEMA = 1
"""Version of the columns and of the metadata."""
MONEY = pa.decimal128(38, 6)
UNITS = {
    "*_usd": "dollars",
    "dollar_days": "dollars in use times days",
    "per_1000_dollar_days_usd": "dollars at worst by a thousand dollar-days",
    "setting": "place in the grid, from 1",
    "sessions": "all, or the numbers of those that were played",
    "entries, hedged, exposures, open_positions": "counts",
}
_Column = tuple[str, pa.DataType, Callable[[Run], Any]]
_AMOUNTS: tuple[tuple[str, Callable[[Run], Decimal]], ...] = (
    ("worst_usd", lambda run: run.measured.worst),
    ("best_usd", lambda run: run.measured.best),
    ("closed_usd", lambda run: run.measured.closed),
    ("locked_usd", lambda run: run.measured.locked),
    ("dollar_days", lambda run: run.measured.dollar_days),
    ("per_1000_dollar_days_usd", lambda run: run.measured.per_thousand),
    ("unhedged_usd", lambda run: run.measured.unhedged),
    ("in_use_usd", lambda run: run.measured.in_use),
)
_COUNTS: tuple[tuple[str, Callable[[Run], int]], ...] = (
    ("entries", lambda run: run.measured.entries),
    ("hedged", lambda run: run.measured.hedged),
    ("exposures", lambda run: run.measured.exposures),
    ("open_positions", lambda run: run.measured.open_positions),
)


def rows(study: Study) -> pa.Table:
    """Return a row for each run, in the order of the study.

    Money has six decimals; nothing is rounded but dollar-days and what is divided by them.
    """
    columns = _columns(study)
    arrays = [
        pa.array([value(run) for run in study.runs], type=kind) for _, kind, value in columns
    ]
    schema = pa.schema(
        [pa.field(name, kind) for name, kind, _ in columns], metadata={KEY: metadata(study)}
    )
    return pa.Table.from_arrays(arrays, schema=schema)


def metadata(study: Study) -> bytes:
    """Return what the footer says of a study, as JSON with its keys in order."""
    parts = study.parts
    document = {
        "schema": SCHEMA,
        "version": study.version,
        "units": UNITS,
        "seeds": study.seeds,
        "runs": {"made": len(study.runs), "planned": study.planned},
        "varied": list(study.grid.keys),
        "settings": study.grid.others(),
        "tapes": [
            {"tape": each.name, "sha256": each.digest, "messages": each.messages}
            for each in study.tapes
        ],
        "parts": None
        if isinstance(parts, str)
        else [[[each.tape, each.session] for each in part] for part in parts],
    }
    return json.dumps(document, sort_keys=True, ensure_ascii=False).encode()


def _columns(study: Study) -> list[_Column]:
    def of_tape(run: Run) -> str:
        return study.tapes[run.variant.tape].name

    def digest(run: Run) -> str:
        return study.tapes[run.variant.tape].digest

    return [
        ("tape", pa.string(), of_tape),
        ("tape_sha256", pa.string(), digest),
        ("control", pa.string(), lambda run: run.variant.control),
        ("sessions", pa.string(), lambda run: run.variant.part),
        ("setting", pa.int64(), lambda run: run.setting + 1),
        *(_varied(study, number, key) for number, key in enumerate(study.grid.keys)),
        ("seed", pa.int64(), lambda run: run.seed),
        *((name, MONEY, _exact(value)) for name, value in _AMOUNTS),
        *((name, pa.int64(), value) for name, value in _COUNTS),
        *((f"{name}_usd", MONEY, _exact(_part(name))) for name in Attribution.__slots__),
    ]


def _varied(study: Study, number: int, key: str) -> _Column:
    values = [each.values[number] for each in study.grid.settings]
    known = [each for each in values if each is not None]
    for kind, column in ((bool, pa.bool_()), (int, pa.int64()), (Decimal, MONEY)):
        if all(isinstance(each, kind) for each in known):
            return key, column, lambda run: values[run.setting]
    texts = [None if each is None else str(each) for each in values]
    return key, pa.string(), lambda run: texts[run.setting]


def _exact(value: Callable[[Run], Decimal]) -> Callable[[Run], Decimal]:
    return lambda run: value(run).quantize(MICRO, ROUND_HALF_EVEN)


def _part(name: str) -> Callable[[Run], Decimal]:
    def of(run: Run) -> Decimal:
        found: Decimal = getattr(run.measured.parts, name)
        return found

    return of
