"""Options that commands of several files share."""

from __future__ import annotations

from typing import Annotated

import typer

Db = Annotated[
    str,
    typer.Option(
        "--db",
        help="sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME; else a file of yours.",
    ),
]
