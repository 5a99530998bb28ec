"""``posegen finetune``: the second stage alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from posegen.cli import options


def finetune(
    dataset: Annotated[Path, typer.Option("--dataset", metavar="FOLDER", help="What posegen generate wrote.")],
    recipe: options.Recipe = None,
    estimator: options.Estimator = None,
    assignments: options.Set = None,
    seed: options.Seed = None,
    device: options.Device = None,
    out: options.Out = None,
) -> None:
    """Fine-tune the estimator on a generated dataset."""
    configuration = options.configure(recipe, assignments, estimator=estimator, seed=seed, device=device)
    settings = options.complete(configuration)
    from posegen import run as stages

    stages.finetune(settings, options.folder(out, configuration), dataset=dataset)
