"""``posegen finetune``: the second stage alone."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from posegen.cli import options


def finetune(
    dataset: Annotated[Path, typer.Option("--dataset", metavar="FOLDER", help="What posegen generate wrote.")],
    recipe: options.Recipe = None,
    estimator: options.Estimator = None,
    real_poses: Annotated[
        str | None,
        typer.Option(
            "--real-poses", metavar="amass[:PATH]|bvh:PATH", help="Motion whose poses the replayed renders take."
        ),
    ] = None,
    replay: options.Replay = None,
    assignments: options.Set = None,
    seed: options.Seed = None,
    device: options.Device = None,
    out: options.Out = None,
    resume: options.Resume = False,
) -> None:
    """Fine-tune the estimator on a generated dataset."""
    configuration = options.configure(
        recipe,
        assignments,
        estimator=estimator,
        real_poses=real_poses,
        replay=replay,
        seed=seed,
        device=device,
        resume=options.to_resume(resume, out),
    )
    settings, folder = options.complete(configuration), options.folder(out, configuration)
    again = ("posegen", "finetune", "--resume", "--dataset", str(dataset), "--out", str(folder))
    with options.resumable(shlex.join(again)):
        from posegen import run as verbs
        from posegen.cli import screen

        verbs.finetune(settings, folder, dataset=dataset, resume=resume, console=screen.out())
