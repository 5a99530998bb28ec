"""``posegen pretrain``: small open weights from nothing but renders."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from posegen.cli import options
from posegen.errors import UsageError


def pretrain(
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The weights: a .safetensors file.")],
    estimator: Annotated[
        str | None,
        typer.Option("--estimator", metavar="NAME", help="The estimator to train.", show_default="hybrik"),
    ] = None,
    bank: Annotated[
        Path | None,
        typer.Option(
            "--bank", metavar="FOLDER", help="Where the pictures are, or go.", show_default="bank, beside --out"
        ),
    ] = None,
    assignments: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Any setting of docs/settings.md, like epochs=5."),
    ] = None,
    seed: options.Seed = None,
    device: options.Device = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the interrupted training of --out.")] = False,
) -> None:
    """Train an estimator from random weights on drawn people seen from chest height."""
    from posegen.pretrain import settings as configuration

    if out.suffix != ".safetensors":
        raise UsageError(f"--out {out} is no safetensors file", f"--out {shlex.quote(str(out))}.safetensors")
    given = {"--estimator": ("estimator", estimator), "--seed": ("seed", seed), "--device": ("device", device)}
    settings = configuration.load(given, assignments or [])
    with options.resumable("the same command, and --resume if the first epoch was over"):
        from posegen.cli import screen
        from posegen.pretrain import stage

        stage.pretrain(settings, out, bank=bank or out.parent / "bank", resume=resume, console=screen.out())
