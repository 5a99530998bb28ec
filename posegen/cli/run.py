"""``posegen run``: generate, fine-tune, evaluate."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from posegen.cli import options
from posegen.errors import PosegenError, UsageError

if TYPE_CHECKING:
    from posegen.config import Configuration
    from posegen.settings import Settings


def run(
    recipe: options.Recipe = None,
    renderer: options.Renderer = None,
    estimator: options.Estimator = None,
    prior: options.Prior = None,
    discriminator: options.Discriminator = None,
    assignments: options.Set = None,
    seed: options.Seed = None,
    device: options.Device = None,
    out: options.Out = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show every setting and where it came from; stop.")
    ] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out, with its settings.")] = False,
) -> None:
    """Generate data where the estimator fails, fine-tune it on them, and measure before and after."""
    if resume:
        given = (recipe, renderer, estimator, prior, discriminator, assignments, seed, device)
        recipe = [str(_resumed(out, any(value is not None for value in given)))]
    configuration = options.configure(
        recipe,
        assignments,
        renderer=renderer,
        estimator=estimator,
        prior=prior,
        discriminator=discriminator,
        seed=seed,
        device=device,
    )
    settings = options.complete(configuration)
    if dry_run:
        _show(configuration, settings)
        return
    folder = options.folder(out, configuration)
    try:
        from posegen import run as stages
        from posegen.cli import screen

        stages.run(settings, folder, resume=resume, console=screen.out())
    except KeyboardInterrupt as stop:
        raise PosegenError("interrupted", f"go on with: posegen run --resume --out {folder}", exit_code=130) from stop


def _resumed(out: Path | None, others: bool) -> Path:
    """The settings of the run to go on with."""
    if out is None:
        raise UsageError("--resume needs the folder of the run", "posegen run --resume --out FOLDER")
    if others:
        raise UsageError("--resume goes on with the settings of its run", f"posegen run --resume --out {out}")
    if not (out / "run.toml").is_file():
        raise UsageError(f"{out} is not the folder of a run: it has no run.toml", "start one: posegen run --out FOLDER")
    return out / "run.toml"


def _show(configuration: Configuration, settings: Settings) -> None:
    from posegen import config, layers
    from posegen.cli import screen

    values = layers.flat(config.to_table(settings))
    screen.table(
        ("setting", "value", "from"),
        [(".".join(key), str(value), str(configuration.source(*key))) for key, value in values],
    )
