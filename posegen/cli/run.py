"""``posegen run``: generate, fine-tune, evaluate."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Annotated, Any

import typer

from posegen.cli import options

if TYPE_CHECKING:
    from posegen.config import Configuration
    from posegen.settings import Settings


def run(
    recipe: options.Recipe = None,
    renderer: options.Renderer = None,
    estimator: options.Estimator = None,
    prior: options.Prior = None,
    discriminator: options.Discriminator = None,
    real_poses: options.RealPoses = None,
    replay: options.Replay = None,
    assignments: options.Set = None,
    seed: options.Seed = None,
    device: options.Device = None,
    out: options.Out = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Show every setting and where it came from; look for no file; stop."),
    ] = False,
    resume: options.Resume = False,
) -> None:
    """Generate data on which the estimator fails, fine-tune it on that data, and measure it before and after."""
    configuration = options.configure(
        recipe,
        assignments,
        renderer=renderer,
        estimator=estimator,
        prior=prior,
        discriminator=discriminator,
        real_poses=real_poses,
        replay=replay,
        seed=seed,
        device=device,
        resume=options.to_resume(resume, out),
    )
    settings = options.complete(configuration)
    if dry_run:
        _show(configuration, settings)
        return
    folder = options.folder(out, configuration)
    with options.resumable(shlex.join(("posegen", "run", "--resume", "--out", str(folder)))):
        from posegen import run as verbs
        from posegen.cli import screen

        verbs.run(settings, folder, resume=resume, console=screen.out())


def _show(configuration: Configuration, settings: Settings) -> None:
    from posegen import config, layers
    from posegen.cli import screen

    values = layers.flat(config.to_table(settings))
    screen.table(
        ("setting", "value", "from"),
        [(".".join(key), _toml(value), str(configuration.source(*key))) for key, value in values],
    )


def _toml(value: Any) -> str:
    """As ``--set`` takes it; no TOML says None."""
    if value is None:
        return "none"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
