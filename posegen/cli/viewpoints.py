"""``posegen viewpoints``: from where the cameras of datasets see their people."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from posegen.errors import UsageError

AXES = ("joints", "pelvis")


def viewpoints(
    datasets: Annotated[
        list[str],
        typer.Option(
            "--dataset", metavar="NAME[:PATH]", help="3dpw, h36m, generated:FOLDER, ...; several side by side."
        ),
    ],
    split: Annotated[
        str | None, typer.Option("--split", help="Split of every dataset.", show_default="each one's usual split")
    ] = None,
    axes: Annotated[
        str,
        typer.Option(
            "--axes", help="The body's axes: of the trunk's joints, or of SMPL's pelvis.", metavar="|".join(AXES)
        ),
    ] = "joints",
    every: Annotated[int, typer.Option("--every", metavar="N", help="Every N-th person.")] = 1,
    out: Annotated[
        Path, typer.Option("--out", metavar="FOLDER", help="Folder of the npz files and of the picture.")
    ] = Path("viewpoints"),
) -> None:
    """Find from which azimuth, elevation and roll each person is seen; write one npz per dataset and one picture."""
    if axes not in AXES:
        raise UsageError(f"--axes '{axes}' is not known", f"choose among {', '.join(AXES)}")
    if every < 1:
        raise UsageError("--every counts from 1", "--every 1 takes everybody")
    from posegen.cli import screen
    from posegen.datasets.sources import parse

    chosen = [parse(text) for text in datasets]
    from posegen.report import cameras

    console = screen.out()
    rows = cameras.compare(chosen, split, axes, every, out, console)  # type: ignore[arg-type]
    screen.table(("dataset", "people", "elevation 5 / 50 / 95 %", "above 30°", "below -30°", "from behind"), rows)
    console.print(f"everything is in {out}", markup=False)
