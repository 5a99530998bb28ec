"""``posegen export-weights``: fine-tuned weights for the published code."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Format(StrEnum):
    """How the file is laid out."""

    official = "official"


def export_weights(
    source: Annotated[Path, typer.Argument(metavar="RUN|FILE", help="A run's folder, or a file of weights.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FILE", help="The checkpoint to write, a new file.")],
    layout: Annotated[
        Format, typer.Option("--format", help="official: the layout of the estimator's published code.")
    ] = Format.official,
    estimator: Annotated[
        str | None, typer.Option("--estimator", metavar="NAME", help="Whose weights FILE holds, if it does not tell.")
    ] = None,
) -> None:
    """Write fine-tuned weights as the published code of the estimator loads them.

    For SPIN, HybrIK and CLIFF with published weights; BlazePose's weights are the safetensors file itself.
    """
    from posegen.files import check_new

    check_new(out, "-o")
    from posegen.cli import screen
    from posegen.export.weights import export_official

    name = export_official(source, out, estimator)
    screen.out().print(f"{out}: a checkpoint of {name}, {layout} layout", markup=False, highlight=False, soft_wrap=True)
