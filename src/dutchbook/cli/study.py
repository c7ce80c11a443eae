"""The command that compares settings on tapes; no logic."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from dutchbook.cli.options import console
from dutchbook.cli.output import complain, inert, tell

Tapes = Annotated[
    list[str], typer.Argument(metavar="TAPE...", help="Tapes, or demo; each is played alone.")
]
Varied = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="SECTION.KEY=V1,V2",
        help="Values of one setting; every combination is tried, and compared with the first."
        r" \, is a comma within a value.",
    ),
]
Seeds = Annotated[
    int,
    typer.Option(
        metavar="N",
        help="Run each setting with seeds 1 to N, which draw faults and for `paper.lag_ms`.",
    ),
]
Out = Annotated[
    str,
    typer.Option(
        metavar="NAME", help="Write NAME.md and NAME.parquet, or study.* if it is a folder."
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(metavar="N", show_default=False, help="Runs at once. Default: the cores."),
]
Controls = Annotated[
    bool,
    typer.Option(
        "--controls/--no-controls",
        help="Play each tape with one platform late and with its pairs crossed, too.",
    ),
]
AllControls = Annotated[
    bool,
    typer.Option("--all-controls", help="Do that for every setting, not for the first alone."),
]
Results = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="What the tape's contracts resolve to; see `dutchbook run --help`."
    ),
]
Config = Annotated[
    Path | None, typer.Option(metavar="FILE", help="A TOML file of settings instead of yours.")
]
Yes = Annotated[bool, typer.Option("--yes", help="Make more than a thousand runs.")]


def study(
    tapes: Tapes,
    *,
    override: Varied = None,
    seeds: Seeds = 1,
    out: Out = "study",
    workers: Workers = None,
    controls: Controls = True,
    all_controls: AllControls = False,
    results: Results = None,
    config: Config = None,
    yes: Yes = False,
) -> None:
    """Would these settings make more than those on tapes, and is that more than luck?

    Every run is on paper and in memory. Settings are compared edge by edge; what is best on
    all sessions but one is judged on that one; tapes that are wrong in a known way show how
    much of a result can be an artefact. Ctrl-C keeps the runs that are done.
    """
    from dutchbook.bootstrap import paper_study, paths
    from dutchbook.cli.console import progress, studies
    from dutchbook.runtime.randomness import Seeded
    from dutchbook.runtime.stop_signals import StopSignals
    from dutchbook.study import columns, conclusions, files, findings, grid, markdown, report

    usual = paths.default_config()
    keys, target = grid.varied(override or ()), files.files(out)
    base = config or (usual if usual.exists() else None)
    most = None if yes else paper_study.MOST_RUNS
    found = grid.grid(keys, base, os.environ, most)
    played = (len(found.settings) if all_controls else 1) if controls else 0
    request = paper_study.Request(tuple(tapes), found, seeds, played, results)
    plan = paper_study.plan(request, sure=yes)
    at_once = paper_study.at_once(workers, len(plan.jobs))
    complain(f"{markdown.plural(len(plan.jobs), 'run')}, {at_once} at once")
    with StopSignals(), progress.bar("studying") as follow:
        done = plan.run(at_once, follow, lambda part: complain(target.rescue(part)))
    result = findings.find(done, Seeded(findings.DRAWN_BY))
    studies.show(console(), found.keys, report.compared(result), conclusions.concluded(result))
    lines = [inert(line) for line in report.report(result)]
    target.write(lines, columns.rows(done))
    tell("")
    tell(f"{target.report}: the report; {target.table}: a row for each run")
