"""``posegen evaluate``: the third stage alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from posegen.cli import options


def evaluate(
    checkpoint: Annotated[
        Path | None,
        typer.Option("--checkpoint", metavar="FILE", help="Fine-tuned weights; without, the original network."),
    ] = None,
    recipe: options.Recipe = None,
    estimator: options.Estimator = None,
    assignments: options.Set = None,
    seed: options.Seed = None,
    device: options.Device = None,
) -> None:
    """Measure the estimator on the splits of the open benchmark."""
    configuration = options.configure(
        recipe, assignments, estimator=estimator, seed=seed, device=device, checkpoint=checkpoint
    )
    settings = options.complete(configuration)
    from posegen import run as stages
    from posegen.cli import screen

    stages.evaluate(settings, console=screen.out())
