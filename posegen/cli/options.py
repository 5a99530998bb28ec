"""The options that several verbs share, and what they mean together."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from posegen.errors import PosegenError, UsageError

if TYPE_CHECKING:
    from posegen.config import Configuration
    from posegen.settings import Settings

DEFAULT_RECIPE = "quick"

Recipe = Annotated[
    list[str] | None,
    typer.Option(
        "--recipe", metavar="NAME|FILE", help="Recipe, later ones over earlier ones.", show_default=DEFAULT_RECIPE
    ),
]
Renderer = Annotated[str | None, typer.Option("--renderer", metavar="NAME", help="What draws the person.")]
Estimator = Annotated[str | None, typer.Option("--estimator", metavar="NAME", help="The estimator to improve.")]
Prior = Annotated[str | None, typer.Option("--prior", metavar="NAME", help="The distribution of z.")]
Discriminator = Annotated[str | None, typer.Option("--discriminator", metavar="NAME", help="What keeps poses human.")]
RealPoses = Annotated[
    str | None,
    typer.Option("--real-poses", metavar="amass[:PATH]|bvh:PATH", help="Motion in place of the training clips."),
]
Replay = Annotated[
    str | None,
    typer.Option("--replay", metavar="DATASET[:PATH]", help="Labelled pictures that fine-tuning must not forget."),
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Any setting, like feedback.w2=0.2 or estimator.lr=3e-5."),
]
Seed = Annotated[int | None, typer.Option("--seed", metavar="N", help="Seed of every random draw.")]
Device = Annotated[
    str | None, typer.Option("--device", metavar="NAME", help="Where to compute: cpu, cuda, cuda:1, ...")
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out", metavar="FOLDER", help="Folder of results; without, runs/ with recipe, estimator, seed and time."
    ),
]

Resume = Annotated[bool, typer.Option("--resume", help="Go on in --out, with the settings written there.")]


def configure(
    recipe: list[str] | None,
    assignments: list[str] | None,
    *,
    renderer: str | None = None,
    estimator: str | None = None,
    prior: str | None = None,
    discriminator: str | None = None,
    real_poses: str | None = None,
    replay: str | None = None,
    seed: int | None = None,
    device: str | None = None,
    checkpoint: Path | None = None,
    resume: Path | None = None,
) -> Configuration:
    """Settings with the sources of their values; the options of plugins are not yet checked.

    resume: the folder of a run whose settings are taken, and then none may be given.
    """
    from posegen import config

    options = {
        "--renderer": ("renderer", renderer),
        "--estimator": ("estimator", estimator),
        "--prior": ("prior", prior),
        "--discriminator": ("discriminator", discriminator),
        "--real-poses": ("real_poses", real_poses),
        "--replay": ("retain.dataset", replay),
        "--seed": ("seed", seed),
        "--device": ("device", device),
        "--checkpoint": ("estimator.checkpoint", str(checkpoint) if checkpoint else None),
    }
    if resume is None:
        return config.load(recipe or [DEFAULT_RECIPE], options, assignments or [])
    if recipe or assignments or any(value is not None for _, value in options.values()):
        again = shlex.join(("--resume", "--out", str(resume)))
        raise UsageError("--resume goes on with the settings of its run", f"{again}  and nothing else")
    return config.load([str(settings_of(resume))])


def settings_of(run: Path) -> Path:
    """The recipe that repeats a run. Raises UsageError for another folder."""
    if not (run / "run.toml").is_file():
        raise UsageError(
            f"{run} is not the folder of a run: it has no run.toml",
            "give the --out of posegen run, generate or finetune",
        )
    return run / "run.toml"


def complete(configuration: Configuration) -> Settings:
    """Settings with the options of all plugins checked and their defaults filled in."""
    from posegen import assemble

    return assemble.complete(configuration.settings, configuration.given)


def folder(out: Path | None, configuration: Configuration) -> Path:
    """Where results go."""
    from datetime import datetime

    settings = configuration.settings
    estimator = settings.estimator.name.rpartition(":")[2]
    name = f"{configuration.name}-{estimator}-{settings.seed}-{datetime.now():%Y%m%d-%H%M%S}"
    return out or Path("runs") / name


def to_resume(resume: bool, out: Path | None) -> Path | None:
    """The folder to go on in, None for a new run."""
    if resume and out is None:
        raise UsageError("--resume needs the folder of the run", "--resume --out FOLDER")
    return out if resume else None


@contextmanager
def resumable(again: str) -> Iterator[None]:
    """Ctrl-C inside tells the command that goes on."""
    try:
        yield
    except KeyboardInterrupt as stop:
        raise PosegenError("interrupted", f"go on with: {again}", exit_code=130) from stop
