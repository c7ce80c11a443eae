"""Commands for tapes; no logic."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dutchbook.cli.options import Seed, console

tapes = typer.Typer(no_args_is_help=True, help="Recorded and made-up market data.")
Tape = Annotated[
    Path, typer.Argument(metavar="TAPE", help="The tape to write, such as my.tape.")
]


@tapes.command("import")
def tape_import(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="RECORDING", help="A folder of .jsonl or .ndjson, or a file of it."
        ),
    ],
    dest: Tape,
    contracts: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="What the recording does not say of its contracts and pairs: TOML, or JSON if"
            " its name ends in .json, with tables contracts (platform, contract_id, and facts"
            " such as title, rules, tick, fee_type, close_time) and pairs (kalshi, polymarket)."
            " docs/tape-format.md lists every field.",
        ),
    ] = None,
    *,
    some_contracts: Annotated[
        bool,
        typer.Option(
            "--some-contracts",
            help="It holds only some contracts of each subscription: numbers that are left out"
            " are no gaps.",
        ),
    ] = False,
) -> None:
    """Turn a recording, a folder or one of its files, into a tape."""
    from dutchbook.cli.console import progress, report
    from dutchbook.tape.importers.recording import import_recording
    from dutchbook.tape.info import describe

    with progress.bar("importing") as tell:
        import_recording(source, dest, contracts, tell, partial=some_contracts)
    report.tape(console(), describe(dest))


@tapes.command("info")
def tape_info(
    path: Annotated[Path, typer.Argument(metavar="TAPE", help="A tape.")],
) -> None:
    """What a tape holds; reads all of it, which also checks it."""
    from dutchbook.cli.console import report
    from dutchbook.tape.info import describe

    report.tape(console(), describe(path))


@tapes.command("generate")
def tape_generate(
    dest: Tape,
    seed: Seed = 1,
    minutes: Annotated[
        int, typer.Option(metavar="N", min=1, max=100_000, help="How long it is.")
    ] = 20,
    pair_count: Annotated[
        int, typer.Option("--pairs", metavar="N", min=1, max=10_000, help="How many pairs.")
    ] = 2,
) -> None:
    """Make up a tape whose edges follow a recording of both platforms."""
    from dutchbook.bootstrap.paper import generated_tape
    from dutchbook.cli.console import progress, report
    from dutchbook.tape.format import write_tape
    from dutchbook.tape.info import describe

    with progress.bar("writing") as tell:
        write_tape(dest, generated_tape(seed, minutes=minutes, pairs=pair_count), tell)
    report.tape(console(), describe(dest))
