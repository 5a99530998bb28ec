"""``posegen generate``: the first stage alone."""

from __future__ import annotations

import shlex
from typing import Annotated

import typer

from posegen.cli import options


def generate(
    recipe: options.Recipe = None,
    renderer: options.Renderer = None,
    estimator: Annotated[
        str | None, typer.Option("--estimator", metavar="NAME", help="The estimator whose failures are sought.")
    ] = None,
    prior: options.Prior = None,
    discriminator: options.Discriminator = None,
    real_poses: options.RealPoses = None,
    assignments: options.Set = None,
    seed: options.Seed = None,
    device: options.Device = None,
    out: options.Out = None,
    resume: options.Resume = False,
) -> None:
    """Generate data on which the estimator fails; fine-tune nothing."""
    configuration = options.configure(
        recipe,
        assignments,
        renderer=renderer,
        estimator=estimator,
        prior=prior,
        discriminator=discriminator,
        real_poses=real_poses,
        seed=seed,
        device=device,
        resume=options.to_resume(resume, out),
    )
    settings, folder = options.complete(configuration), options.folder(out, configuration)
    with options.resumable(shlex.join(("posegen", "generate", "--resume", "--out", str(folder)))):
        from posegen import run as verbs
        from posegen.cli import screen

        verbs.generate(settings, folder, resume=resume, console=screen.out())
