"""The options that several verbs share, and what they mean together."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from posegen.config import Configuration
    from posegen.settings import Settings

DEFAULT_RECIPE = "quick"
DEFAULT_OUT = "runs/RECIPE-ESTIMATOR-SEED-TIME"

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
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Any setting, like feedback.w2=0.2 or estimator.lr=3e-5."),
]
Seed = Annotated[int | None, typer.Option("--seed", metavar="N", help="Seed of every random draw.")]
Device = Annotated[
    str | None, typer.Option("--device", metavar="NAME", help="Where to compute: cpu, cuda, cuda:1, ...")
]
Out = Annotated[
    Path | None, typer.Option("--out", metavar="FOLDER", help="Folder of results.", show_default=DEFAULT_OUT)
]


def configure(
    recipe: list[str] | None,
    assignments: list[str] | None,
    *,
    renderer: str | None = None,
    estimator: str | None = None,
    prior: str | None = None,
    discriminator: str | None = None,
    seed: int | None = None,
    device: str | None = None,
) -> Configuration:
    """Settings with the sources of their values; the options of plugins are not yet checked."""
    from posegen import config

    options = {
        "--renderer": ("renderer", renderer),
        "--estimator": ("estimator", estimator),
        "--prior": ("prior", prior),
        "--discriminator": ("discriminator", discriminator),
        "--seed": ("seed", seed),
        "--device": ("device", device),
    }
    return config.load(recipe or [DEFAULT_RECIPE], options, assignments or [])


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
