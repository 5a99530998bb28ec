"""``posegen export-dataset``: generated pictures for other projects to train on."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from posegen.cli import options


class Layout(StrEnum):
    """Whose training code reads the npz."""

    humans = "4d-humans"
    spin = "spin"


def export_dataset(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of posegen run or posegen generate.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FOLDER", help="A new folder: images/ and the npz.")],
    layout: Annotated[
        Layout, typer.Option("--format", help="Whose training code reads the npz: SPIN's (PARE, VIBE), 4D-Humans'.")
    ] = Layout.humans,
    assignments: options.Set = None,
) -> None:
    """Write the samples of a run as pictures and an npz that other projects train on.

    The pictures get appearances as in fine-tuning, drawn anew: --set appearance.KEY=VALUE changes them.
    """
    from posegen.files import check_new

    settings = options.complete(options.configure([str(options.settings_of(run))], assignments))
    check_new(out, "-o")
    from posegen.cli import screen
    from posegen.export import dataset

    console = screen.out()
    file = dataset.export(settings, run, out, layout.value, console)
    console.print(f"{file}, and its pictures beside it", markup=False, highlight=False, soft_wrap=True)
