"""``posegen report``: one page that shows where an estimator fails."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from posegen.cli import options
from posegen.errors import UsageError


def report(
    run: Annotated[
        Path | None,
        typer.Argument(
            metavar="RUN", help="Folder of a finished run; without, an estimator as it is.", show_default=False
        ),
    ] = None,
    recipe: options.Recipe = None,
    estimator: Annotated[
        str | None, typer.Option("--estimator", metavar="NAME", help="The estimator to look at.")
    ] = None,
    checkpoint: Annotated[
        Path | None, typer.Option("--checkpoint", metavar="FILE", help="Its weights; without, the original network.")
    ] = None,
    assignments: options.Set = None,
    seed: options.Seed = None,
    device: options.Device = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="The page; without, report.html in RUN, or report-NAME.html."),
    ] = None,
) -> None:
    """Tables, maps and the worst pictures of the open benchmark on one HTML page, before and after a run."""
    if run is not None and (recipe or estimator or checkpoint or assignments or seed is not None):
        raise UsageError("a report of a run has the run's settings", f"posegen report {shlex.quote(str(run))}")
    configuration = options.configure(
        recipe,
        assignments,
        estimator=estimator,
        seed=seed,
        device=None if run else device,
        checkpoint=checkpoint,
        resume=run,
    )
    settings = options.complete(configuration)
    if run and device:  # another machine may have another than the run's
        settings = settings.model_copy(update={"device": device})
    name = settings.estimator.name.rpartition(":")[2]
    page = out or (run / "report.html" if run else Path(f"report-{name}.html"))
    from posegen.files import check_new, check_writable

    (check_writable if run and out is None else check_new)(page)
    from posegen.cli import screen
    from posegen.report import stage

    console = screen.out()
    stage.report(settings, page, run=run, console=console)
    console.print(f"the report is in {page}", markup=False, highlight=False)
